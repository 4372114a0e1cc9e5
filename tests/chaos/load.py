"""Who calls, who answers, and what they do to each other: a day's worth of people, wilder than any office."""

from __future__ import annotations

from random import Random

from fsqueue.config import check_text
from fsqueue.config.model import Configuration
from fsqueue.simswitch.actors import Caller, Phone
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction, Sighting
from fsqueue.simswitch.world import World
from tests.contract.lab import Way, handed_over

HEAD = """
[switches.main]
host = "127.0.0.1"
port = 8021
password = "ClueCon"
"""

CONFIG = """
[telephony]
domain = "lab"
login_code = "*41"
logout_code = "*42"
{members}
[groups.sales]
extension = "7001"
members = ["m1", "m2", "m3"]
rings = 2
pickup = true
wrap_up_seconds = 3
[groups.sales.unanswered]
action = "group"
group = "support"
[groups.support]
extension = "7002"
distribution = "in-order"
members = ["m4", "m5", "m1"]
rings = 2
pickup = true
[groups.support.unanswered]
action = "voicemail"
mailbox = "1001@lab"
[groups.reception]
extension = "7003"
distribution = "to-all"
members = ["m6", "m7", "m2"]
rings = 4
priority = 10
max_wait_seconds = 200
[groups.reception.unanswered]
action = "wait"
[groups.reception.waited]
action = "forward"
member = "m8"
timeout_seconds = 15
[groups.line]
extension = "7004"
members = ["m9", "m10", "m11"]
rings = 2
pickup = true
max_wait_seconds = 400
[groups.line.unanswered]
action = "wait"
[numbers."+48221234561"]
group = "sales"
[numbers."+48221234562"]
group = "support"
[numbers."+48221234563"]
group = "reception"
[numbers."+48221234564"]
group = "line"
"""

NUMBERS = ("+48221234561", "+48221234562", "+48221234563", "+48221234564")
RECEPTION, LINE = NUMBERS[2], NUMBERS[3]
EXTENSIONS = ("7001", "7002", "7003", "7004")
MEMBERS = 11
COLLEAGUES = ("1019", "1020")
"""Extensions of people who are no members: whatever rings them is none of our doing."""
LINE_PHONES = tuple(f"{1000 + n}@lab" for n in (9, 10, 11))

SITE = """
<context name="default">
  <extension name="colleague">
    <condition field="destination_number" expression="^(10[0-9][0-9])$">
      <action application="set" data="call_timeout=15"/>
      <action application="set" data="hangup_after_bridge=true"/>
      <action application="bridge" data="user/$1@lab"/>
    </condition>
  </extension>
  <extension name="outside">
    <condition field="destination_number" expression="^9999$">
      <action application="answer"/>
      <action application="playback" data="local_stream://default"/>
    </condition>
  </extension>
</context>
"""


def configuration(way: Way = "socket") -> Configuration:
    """Return the groups and members of every run, with a switch that is nowhere; calls are handed over by *way*."""
    checked = check_text(HEAD + handed_over(text(), way), "chaos.toml")
    if checked.configuration is None:
        raise ValueError("\n".join(str(problem) for problem in checked.problems))
    return checked.configuration


def text() -> str:
    """Return groups, members and numbers as a file has them."""
    members = "\n".join(
        f'[members.m{n}]\nextension = "{1000 + n}"\ndial = "user/{1000 + n}@lab"' for n in range(1, MEMBERS + 1)
    )
    return CONFIG.format(members=members)


def phone_of(member: str) -> str:
    """Return how sightings call the phone of *member*."""
    return f"{1000 + int(member[1:])}@lab" if member else ""


def phone_scripts(rng: Random) -> list[PhoneScript]:
    """Return how the members' phones react: most answer, some at a bad moment."""
    return [
        PhoneScript(
            user=str(1000 + n),
            domain="lab",
            reactions=tuple(_reaction(rng) for _ in range(50)),
            contacts=2 if n % 4 == 2 else 1,
        )
        for n in (*range(1, MEMBERS + 1), 19, 20)
    ]


def _reaction(rng: Random) -> Reaction:
    kind = rng.random()
    if kind < 0.66:
        return Reaction(after=rng.uniform(0.1, 9), talk=rng.choice((None, rng.uniform(0.5, 40))))
    if kind < 0.78:
        return Reaction(after=rng.uniform(0.1, 5), stays=rng.choice((0.0, rng.uniform(0, 0.2), rng.uniform(0, 3))))
    if kind < 0.88:
        return Reaction(kind="ignore")
    return Reaction(kind="reject", after=rng.uniform(0, 3), code=rng.choice((486, 603, 480, 302, 404)))


def caller_script(n: int, rng: Random) -> CallerScript:
    """Return the *n*-th outside caller, who dials at once."""
    impatient = rng.random() < 0.15
    return CallerScript(
        number=f"+486{n:08}",
        name=rng.choice(("Kowalski", 'O\'Brien, "x" {a=b}', "Zażółć", "a%0Avariable_evil: yes", "x${system(id)}y")),
        to=rng.choices(NUMBERS, weights=(20, 15, 20, 45))[0],
        patience=rng.uniform(0.005, 8) if impatient else rng.uniform(20, 250),
        talk=rng.choice((rng.uniform(0.1, 3), rng.uniform(5, 40), rng.uniform(5, 40))),
    )


class People:
    """Lets people act in a world: calls at random, and everything that they do in the middle of calls."""

    def __init__(self, world: World, rng: Random, *, gap: float) -> None:
        """Begin; *gap* is the mean number of seconds between two calls of outside callers."""
        self.world, self._rng, self._gap = world, rng, gap
        self.callers: list[Caller] = []
        self.phones: list[Phone] = []
        self.members: list[Phone] = []
        self.away: list[tuple[str, float, float]] = []
        """Phones that may be out of reach: whose, from, to (epoch seconds)."""
        self.over = False
        self.hands: dict[str, None] = {}
        """Callers, as sightings call them, whom somebody transferred."""
        for script in phone_scripts(rng):
            phones = world.phones(script)
            self.phones += phones
            if script.user not in COLLEAGUES:
                self.members += phones
        world.on_sighting = self._seen
        self._later(1.0, self._call)
        self._later(5.0, self._fidget)

    def _later(self, seconds: float, do: object) -> None:
        if callable(do):
            self.world.agenda.after(seconds, do)

    def _call(self) -> None:
        if self.over:
            return
        self.callers.append(self.world.call(caller_script(len(self.callers), self._rng)))
        burst = self._rng.random() < 0.05
        self._later(0.01 if burst else self._rng.expovariate(1 / self._gap), self._call)

    def _fidget(self) -> None:
        """Do one of the things that colleagues do with their phones."""
        if self.over:
            return
        rng = self._rng
        self._later(rng.expovariate(1 / 6.0), self._fidget)
        phone = rng.choice(self.members)
        what = rng.random()
        if what < 0.25:
            self._away(phone)
        elif what < 0.45:
            self._colleague(phone, rng.choice(("9999", "9999", *COLLEAGUES)), rng.uniform(1, 25))
        elif what < 0.75:
            self._colleague(phone, "*8", rng.uniform(5, 30))
        elif what < 0.85:
            self._colleague(phone, rng.choice(EXTENSIONS), rng.uniform(5, 60))
        elif what < 0.9 and phone.who not in LINE_PHONES:
            seconds = rng.uniform(5, 40)
            # Who logs in or out while nobody listens stays as he was, perhaps to the end.
            self.away.append((phone.who, self.world.now, float("inf")))
            self._colleague(phone, "*42", 5.0)
            self._later(seconds, lambda: self._colleague(phone, "*41", 5.0))

    def _away(self, phone: Phone) -> None:
        registrar = self.world.registrar
        (registrar.unregister if self._rng.random() < 0.6 else registrar.expire)(phone)
        seconds = self._rng.uniform(1, 60)
        self.away.append((phone.who, self.world.now, self.world.now + seconds))
        self._later(seconds, lambda: registrar.register(phone))

    def _colleague(self, phone: Phone, to: str, patience: float) -> None:
        if any(ring.answered for ring in phone.rings):
            return
        script = CallerScript(
            number=phone.user.script.user, name="", to=to, user=phone.who, patience=patience, talk=patience
        )
        self.callers.append(self.world.call(script))

    def _seen(self, seen: Sighting) -> None:
        if self.over or seen.side != "phone":
            return
        rng = self._rng
        if seen.what == "answered" and rng.random() < 0.1:
            caller = next((one for one in self.callers[-60:] if one.who == seen.peer), None)
            if caller is not None:
                self._later(rng.uniform(0, 0.15), caller.hang_up)
        elif seen.what == "connected" and rng.random() < 0.08:
            phone = next(one for one in self.phones if any(ring.leg.uuid == seen.leg for ring in one.rings))
            if phone.user.script.user in COLLEAGUES:
                return
            to = rng.choice((*EXTENSIONS, *COLLEAGUES))
            self._later(rng.uniform(0.3, 8), lambda: self._transfer(phone, to))

    def _transfer(self, phone: Phone, to: str) -> None:
        """Send away whom *phone* talks to by now."""
        for ring in phone.rings:
            if ring.answered:
                number = ring.leg.caller_number
                self.hands[number] = self.hands[f"{number}@lab"] = None  # sightings call a colleague by his user
        phone.transfer(to)

    def settle(self) -> None:
        """Do nothing new any more; everybody is at his phone again."""
        self.over = True
        for phone in self.phones:
            self.world.registrar.register(phone)
