"""Every key of the configuration file as data.

The one list from which the file is checked, the JSON Schema is written and the documentation is made, so that the
three cannot disagree. What keys mean together (references, loops, digits) is in `relations`.
"""

from dataclasses import dataclass
from enum import StrEnum

Value = bool | int | str | tuple[str, ...]

# Characters that end a line, start a terminal escape or turn the reading order round; no text of ours needs one.
CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"

ID = r"[a-z0-9][a-z0-9_-]{0,31}"


class Kind(StrEnum):
    """What sort of TOML value a key takes; the words are those of the messages."""

    WHOLE = "a whole number"
    FLAG = "true or false"
    TEXT = "a text"
    TEXTS = "a list of texts"


@dataclass(frozen=True, slots=True)
class Form:
    """How a text must look: a pattern (in what Python's and ECMAScript's syntax share) and its words for people."""

    pattern: str
    words: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: its type, default, range and meaning.

    `default` None means that the key has no value when it is not set, or one that follows from others, which
    `default_words` then tells. `low` and `high` are inclusive and in `unit`. `refers` names the table of which the
    text is an id. `expands` is false for what FreeSWITCH never sees, where `${` is only text.
    """

    name: str
    kind: Kind
    meaning: str
    default: Value | None = None
    default_words: str = ""
    required: bool = False
    low: int = 0
    high: int = 0
    unit: str = ""
    shortest: int = 1
    longest: int = 500
    choices: tuple[str, ...] = ()
    form: Form | None = None
    refers: str = ""
    expands: bool = True
    example: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: a single one such as [telephony], or (`keyed`) one per thing, such as [groups.sales]."""

    name: str
    meaning: str
    settings: tuple[Setting, ...]
    keyed: bool = False
    key: Form | None = None
    one_of: tuple[tuple[str, ...], ...] = ()
    steps: tuple[str, ...] = ()

    def setting(self, name: str) -> Setting | None:
        """The setting called `name`, or None."""
        return next((setting for setting in self.settings if setting.name == name), None)


IDENTIFIER = Form(f"^{ID}$", "1 to 32 of a-z, 0-9, _ and -, beginning with a letter or digit")
NUMBER = Form(
    r"^\+?[0-9A-Za-z*#._-]{1,40}$", "what is dialled: 1 to 40 digits, letters, . * # _ and -, perhaps after a +"
)
EXTENSION = Form(r"^[0-9*#]{1,20}$", "1 to 20 of the digits, * and #")
CODE = Form(r"^[0-9*#]{1,16}$", "1 to 16 of the digits, * and #")
KEY = Form(r"^[0-9*#]$", "one key of a telephone: 0 to 9, * or #")
USER = Form(
    r"^[0-9A-Za-z.!~*+_#-]{1,64}(@[0-9A-Za-z.:_\[\]-]{1,255})?$", "a SIP user such as 1001@example.com, or 1001 alone"
)
MAILBOX = Form(r"^[0-9A-Za-z.!~*+_#-]{1,64}@[0-9A-Za-z.:_\[\]-]{1,255}$", "user@domain, such as 1000@example.com")
DOMAIN = Form(r"^[0-9A-Za-z.:_\[\]-]{1,255}$", "a SIP domain such as example.com")
HOST = Form(r"^[0-9A-Za-z.:_%\[\]-]{1,255}$", "a host name or an address")
# A space outside quotes would end the dial string in the middle of an originate.
DIAL = Form(
    r"^(?=.*/)(?:[^ ']|'[^']*')+$",
    "a FreeSWITCH dial string such as user/1001@example.com, without spaces outside single quotes",
)
OUTBOUND = Form(
    r"^(?=.*/)(?=.*\{number\})(?:[^ ']|'[^']*')+$",
    "a FreeSWITCH dial string with {number} where the number goes, such as sofia/gateway/provider/{number}",
)
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
ADDRESS = Form(rf"^(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+):{_PORT}$", "HOST:PORT, such as 127.0.0.1:8084")
NETWORK = Form(r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$", "an address or a network such as 10.0.0.0/24")
CONTEXT = Form(r"^[0-9A-Za-z._@-]{1,64}$", "the name of a dialplan context: letters, digits, dot, _, @ and -")
FALLBACK = Form(r"^[0-9A-Za-z.*#+_-]{1,64}$", "an extension of the dialplan: letters, digits, dot, _, -, *, # and +")
PREFIX = Form(
    r"^([^{}]|\{group\}|\{waited\})*$",
    "a text in which only {group} and {waited} stand in braces, such as Sales {waited}",
)
SYSTEM_GROUP = Form(r"^[A-Za-z_][A-Za-z0-9_-]{0,31}$", "the name of a group of this system")
PATH = Form(r"^/", "an absolute path, beginning with /")

# What a caller's provider can make sense of when a call ends; FreeSWITCH maps each to a SIP answer.
CAUSES = (
    "NORMAL_CLEARING",
    "USER_BUSY",
    "NO_ANSWER",
    "NO_USER_RESPONSE",
    "CALL_REJECTED",
    "SUBSCRIBER_ABSENT",
    "UNALLOCATED_NUMBER",
    "NUMBER_CHANGED",
    "DESTINATION_OUT_OF_ORDER",
    "NORMAL_TEMPORARY_FAILURE",
    "NORMAL_CIRCUIT_CONGESTION",
    "SWITCH_CONGESTION",
    "SERVICE_UNAVAILABLE",
    "NORMAL_UNSPECIFIED",
)

DAEMON = Table(
    "daemon",
    "The daemon itself.",
    (
        Setting(
            "owner",
            Kind.TEXT,
            "Marks the channels of this installation on the switch; never change it while calls wait.",
            default="fsqueue",
            form=IDENTIFIER,
        ),
        Setting(
            "max_calls",
            Kind.WHOLE,
            "More calls than this at once are sent to the fallback.",
            default=2000,
            low=1,
            high=100_000,
            unit="calls",
        ),
        Setting(
            "state",
            Kind.TEXT,
            "Folder of the journal and the history.",
            default_words="$STATE_DIRECTORY, else /var/lib/fsqueue (root, service) or $XDG_STATE_HOME/fsqueue",
            form=PATH,
            expands=False,
            example="/var/lib/fsqueue",
        ),
        Setting(
            "history_days",
            Kind.WHOLE,
            "Calls that came longer ago are removed from history and journal; 0: never. Read at the start.",
            default=0,
            low=0,
            high=36_500,
            unit="days",
        ),
    ),
)

SWITCHES = Table(
    "switches",
    "A FreeSWITCH that is reached over its event socket. A call's legs stay on the switch it came in on.",
    (
        Setting("host", Kind.TEXT, "Where mod_event_socket listens.", required=True, form=HOST, example="127.0.0.1"),
        Setting("port", Kind.WHOLE, "Its TCP port.", default=8021, low=1, high=65535),
        Setting("password", Kind.TEXT, "The event socket's password.", expands=False, longest=200, example="secret"),
        Setting(
            "password_file",
            Kind.TEXT,
            "File whose first line is the password; a relative path starts at the configuration's folder.",
            expands=False,
            example="/etc/fsqueue/esl-password",
        ),
    ),
    keyed=True,
    key=IDENTIFIER,
    one_of=(("password", "password_file"),),
)

LISTEN = Table(
    "listen",
    "Where FreeSWITCH hands its calls to us.",
    (
        Setting(
            "dialplan",
            Kind.TEXT,
            "Address for the dialplan's socket application.",
            default="127.0.0.1:8084",
            form=ADDRESS,
        ),
        Setting(
            "allow",
            Kind.TEXTS,
            "Networks that may connect; needed when `dialplan` is not a loopback address.",
            default=(),
            form=NETWORK,
            example="10.0.0.0/24",
        ),
    ),
)

CONTROL_API = Table(
    "control",
    "Who may ask and tell the daemon, apart from root and its own user. Read at the start.",
    (
        Setting(
            "group",
            Kind.TEXT,
            "The system's group that may use the control socket.",
            default_words="the daemon's own",
            form=SYSTEM_GROUP,
            expands=False,
            example="fsqueue",
        ),
        Setting(
            "tcp",
            Kind.TEXT,
            "Address to offer the API at over TCP as well, with tokens; plain HTTP, so beyond loopback behind a TLS proxy.",
            default_words="not over TCP",
            form=ADDRESS,
            expands=False,
            example="127.0.0.1:8086",
        ),
        Setting(
            "allow",
            Kind.TEXTS,
            "Networks that may connect over TCP; needed when `tcp` is not a loopback address.",
            default=(),
            form=NETWORK,
            example="10.0.0.0/24",
        ),
        Setting(
            "read_tokens_file",
            Kind.TEXT,
            "File of tokens that may ask, one `NAME TOKEN` a line; a relative path starts at the configuration's folder.",
            expands=False,
            example="/etc/fsqueue/read-tokens",
        ),
        Setting(
            "full_tokens_file",
            Kind.TEXT,
            "File of tokens that may ask and tell.",
            expands=False,
            example="/etc/fsqueue/full-tokens",
        ),
    ),
)

TELEPHONY = Table(
    "telephony",
    "What holds for all groups.",
    (
        Setting("ring_seconds", Kind.WHOLE, "How long one ring is.", default=5, low=1, high=60, unit="seconds"),
        Setting(
            "rest_seconds",
            Kind.WHOLE,
            "How long a member is left in peace after an offer that he did not take.",
            default=5,
            low=0,
            high=3600,
            unit="seconds",
        ),
        Setting("pickup_code", Kind.TEXT, "Dialled to take a call that rings elsewhere.", default="*8", form=CODE),
        Setting("login_code", Kind.TEXT, "Dialled by a member to log in.", form=CODE, example="*41"),
        Setting("logout_code", Kind.TEXT, "Dialled by a member to log out.", form=CODE, example="*42"),
        Setting("pause_code", Kind.TEXT, "Dialled by a member to pause, and to resume.", form=CODE, example="*43"),
        Setting("music", Kind.TEXT, "What waiting callers hear.", default="local_stream://default"),
        Setting(
            "answer",
            Kind.TEXT,
            "How a waiting caller is taken: answered, with early media, or with ringback.",
            default="answer",
            choices=("answer", "pre_answer", "ring_ready"),
        ),
        Setting(
            "hand_over",
            Kind.TEXT,
            "How the dialplan hands a call over: by a socket, the quickest, or parked, for a fraction of the memory.",
            default="socket",
            choices=("socket", "park"),
        ),
        Setting(
            "domain",
            Kind.TEXT,
            "SIP domain of members whose dial string or user names none.",
            form=DOMAIN,
            example="example.com",
        ),
        Setting(
            "outbound",
            Kind.TEXT,
            "How a number is dialled in a forward.",
            form=OUTBOUND,
            example="sofia/gateway/provider/{number}",
        ),
        Setting(
            "caller_id_number",
            Kind.TEXT,
            'Number shown in a forward with caller_id = "own".',
            form=NUMBER,
            example="+48221234567",
        ),
        Setting(
            "caller_id_name",
            Kind.TEXT,
            'Name shown in a forward with caller_id = "own".',
            longest=100,
            example="Example Ltd",
        ),
        Setting(
            "max_forwards",
            Kind.WHOLE,
            "How many forwards to numbers may stand at once; 0: no limit.",
            default=0,
            low=0,
            high=10_000,
            unit="calls",
        ),
        Setting("context", Kind.TEXT, "Dialplan context of our own extensions.", default="fsqueue", form=CONTEXT),
        Setting(
            "entry_contexts",
            Kind.TEXTS,
            "Dialplan contexts from which calls come to us.",
            default=("public", "default"),
            form=CONTEXT,
        ),
        Setting(
            "fallback",
            Kind.TEXT,
            "Extension in `context` that takes calls while fsqueue is down.",
            default="fsqueue-fallback",
            form=FALLBACK,
        ),
    ),
)

MEMBERS = Table(
    "members",
    "An employee who answers calls.",
    (
        Setting(
            "dial",
            Kind.TEXT,
            "How his phone is rung.",
            required=True,
            form=DIAL,
            example="user/1001@example.com",
        ),
        Setting("name", Kind.TEXT, "His name, for people.", default_words="the id", longest=100, example="Anna Nowak"),
        Setting("extension", Kind.TEXT, "What colleagues dial to reach him.", form=EXTENSION, example="1001"),
        Setting(
            "user",
            Kind.TEXT,
            "The SIP user he is, where `dial` doesn't say it.",
            form=USER,
            example="1001@example.com",
        ),
        Setting(
            "pause_after",
            Kind.WHOLE,
            "After so many offers in a row that he didn't take he is paused; 0: never.",
            default=0,
            low=0,
            high=100,
            unit="offers",
        ),
    ),
    keyed=True,
    key=IDENTIFIER,
)

GROUPS = Table(
    "groups",
    "A queue: who is rung for its calls, how, and what happens when nobody answers.",
    (
        Setting("name", Kind.TEXT, "Its name, for people.", default_words="the id", longest=100, example="Sales"),
        Setting("extension", Kind.TEXT, "What is dialled to reach it from inside.", form=EXTENSION, example="7001"),
        Setting("members", Kind.TEXTS, "Who is rung, in this order.", default=(), form=IDENTIFIER, refers="members"),
        Setting(
            "distribution",
            Kind.TEXT,
            "Who is rung first: whose turn was longest ago, the first in the list, or everybody at once.",
            default="evenly",
            choices=("evenly", "in-order", "to-all"),
        ),
        Setting(
            "rings",
            Kind.WHOLE,
            "How long one offer may ring, in rings of `telephony.ring_seconds`.",
            default_words='4, with distribution = "to-all" 12',
            low=1,
            high=60,
            unit="rings",
        ),
        Setting(
            "priority",
            Kind.WHOLE,
            "Calls of a higher one are first in line.",
            default=0,
            low=-100,
            high=100,
        ),
        Setting("pickup", Kind.FLAG, "Whether its members may pick up its ringing calls.", default=False),
        Setting(
            "wrap_up_seconds",
            Kind.WHOLE,
            "Time for notes after a talk.",
            default=0,
            low=0,
            high=3600,
            unit="seconds",
        ),
        Setting(
            "max_waiting",
            Kind.WHOLE,
            "A call that finds so many waiting takes the step `full`; 0: no limit.",
            default=0,
            low=0,
            high=10_000,
            unit="calls",
        ),
        Setting(
            "max_wait_seconds",
            Kind.WHOLE,
            "After this the step `waited` is taken.",
            default_words='3600; where `unanswered` is to wait and distribution = "to-all" 600',
            low=1,
            high=86_400,
            unit="seconds",
        ),
        Setting(
            "prefix",
            Kind.TEXT,
            "Put before the caller's name on the phones; {group} is the group's name, {waited} how long the caller has waited.",
            default="",
            shortest=0,
            longest=40,
            form=PREFIX,
            example="Sales {waited} ",
        ),
        Setting(
            "service_level_seconds",
            Kind.WHOLE,
            "Calls answered within this count as in time in reports.",
            default=20,
            low=1,
            high=3600,
            unit="seconds",
        ),
    ),
    keyed=True,
    key=IDENTIFIER,
    steps=("unanswered", "offline", "full", "waited"),
)

NUMBERS = Table(
    "numbers",
    "A number that is dialled from outside, and the group it leads to.",
    (
        Setting(
            "group",
            Kind.TEXT,
            "Where its calls go.",
            required=True,
            form=IDENTIFIER,
            refers="groups",
            example="sales",
        ),
        Setting("music", Kind.TEXT, "What its callers hear.", default_words="telephony.music"),
        Setting("priority", Kind.WHOLE, "As in a group.", default_words="that of the group", low=-100, high=100),
    ),
    keyed=True,
    key=NUMBER,
)

TABLES = (DAEMON, CONTROL_API, SWITCHES, LISTEN, TELEPHONY, MEMBERS, GROUPS, NUMBERS)

STEP_MEANINGS = {
    "unanswered": "What is done with a call that nobody takes.",
    "offline": "The same when all members are away.",
    "full": "The same when `max_waiting` calls are waiting already.",
    "waited": "The same after `max_wait_seconds`.",
}


@dataclass(frozen=True, slots=True)
class ActionKeys:
    """The keys of one kind of step: one of `needs` (where there are any) must be set, those of `takes` may be."""

    action: str
    meaning: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


ACTIONS = (
    ActionKeys("voicemail", "The caller leaves a message.", needs=("mailbox",)),
    ActionKeys(
        "forward",
        "One member, or a number outside, is rung.",
        needs=("member", "number"),
        takes=("timeout_seconds", "key", "prompt", "caller_id"),
    ),
    ActionKeys("group", "The call waits in another group, with the place that it has.", needs=("group",)),
    ActionKeys("wait", "The call waits until a member is free; only for `unanswered`.", takes=("prompt",)),
    ActionKeys("hangup", "The call is ended.", takes=("cause",)),
)

STEP = Table(
    "step",
    "What is done with a call that nobody takes.",
    (
        Setting("action", Kind.TEXT, "What is done.", required=True, choices=tuple(kind.action for kind in ACTIONS)),
        Setting("mailbox", Kind.TEXT, "The voicemail box.", form=MAILBOX, example="1000@example.com"),
        Setting("member", Kind.TEXT, "The member who is rung.", form=IDENTIFIER, refers="members", example="jan"),
        Setting("number", Kind.TEXT, "The number that is dialled.", form=NUMBER, example="+48601234567"),
        Setting("group", Kind.TEXT, "The next group.", form=IDENTIFIER, refers="groups", example="support"),
        Setting(
            "prompt",
            Kind.TEXT,
            "With wait: played once to the caller, before the wait begins. With key: played to who is called, to say which key.",
            default_words="with key three short tones",
            example="/usr/share/sounds/wait.wav",
        ),
        Setting(
            "timeout_seconds",
            Kind.WHOLE,
            "How long a forward rings.",
            default=30,
            low=1,
            high=300,
            unit="seconds",
        ),
        Setting("key", Kind.TEXT, "Key that a number called must press to take the call.", form=KEY, example="1"),
        Setting(
            "caller_id",
            Kind.TEXT,
            "Whose number a forward shows: the caller's, or telephony.caller_id_number.",
            default="caller",
            choices=("caller", "own"),
        ),
        Setting(
            "cause",
            Kind.TEXT,
            "Why, as the caller's side is told.",
            default_words="the one that fits the reason",
            choices=CAUSES,
        ),
    ),
)


def table(name: str) -> Table | None:
    """The table called `name`, or None."""
    return next((one for one in TABLES if one.name == name), None)


def action_keys(action: str) -> ActionKeys:
    """The keys of a step's action. KeyError where there is no such action."""
    for kind in ACTIONS:
        if kind.action == action:
            return kind
    raise KeyError(action)
