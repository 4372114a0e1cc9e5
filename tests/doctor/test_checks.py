"""Every check of `fsqueue doctor`, and above all how each fails: what it says, and what it says to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from fsqueue.config.check import check_text
from fsqueue.config.model import Configuration
from fsqueue.doctor.findings import Finding, State
from fsqueue.doctor.probe import Case, DaemonSeen, FileSeen, ProbeError
from fsqueue.doctor.run import examine
from fsqueue.facts import dialplan_facts
from fsqueue.places import SERVICE_STATE
from fsqueue.switch.dialplan import render, render_entry

NOW = 1_800_000_000.0

CONFIG = """
[switches.main]
host = "127.0.0.1"
password_file = "esl-password"
[members.anna]
dial = "user/1001@example.com"
[groups.sales]
extension = "7001"
members = ["anna"]
[groups.sales.unanswered]
action = "voicemail"
mailbox = "1000@example.com"
[numbers."+48221234567"]
group = "sales"
music = "/music/jazz.wav"
"""

SOFIA = """<configuration name="sofia.conf"><profiles><profile name="internal"><settings>
<param name="multiple-registrations" value="contact"/>
<param name="context" value="default"/><param name="auth-calls" value="true"/>{more}
</settings></profile></profiles></configuration>"""


def configuration(text: str = CONFIG) -> Configuration:
    checked = check_text(text, "fsqueue.toml")
    assert checked.configuration is not None, checked.problems
    return checked.configuration


def context(name: str, lines: str) -> str:
    return f'<context name="{name}">{lines}</context>'


def bare(included: str) -> str:
    return included.removeprefix("<include>").strip().removesuffix("</include>")


class World:
    """A probe of a site where all is well, until a test says otherwise. `said` are answers by command."""

    def __init__(self, config: Configuration) -> None:
        facts = dialplan_facts(config)
        self.said: dict[str, str] = {
            "version short": "1.10.12",
            "strepoch": str(int(NOW)),
            f"hash select/fsqueue/alive-{facts.owner}": str(int(NOW) + 50),
            "sofia_contact */1001@example.com": "sofia/internal/sip:1001@10.0.0.5:5060",
            "local_stream show default": "default\n  location: /music",
            "file_exists /music/jazz.wav": "true",
            "user_exists id 1001 example.com": "true",
            "xml_locate dialplan context name fsqueue": bare(render(facts)),
            "user_exists id 1000 example.com": "true",
            "status": "0 session(s) per Sec out of max 30, peak 0, last 5min 0",
            "fsctl pause_check": "false",
            "show channels like fsq1|": "0 total.",
            "xml_locate configuration configuration name sofia.conf": SOFIA.format(more=""),
        }
        for entry in facts.entry_contexts:
            self.said[f"xml_locate dialplan context name {entry}"] = context(entry, bare(render_entry(facts)))
        self.missing: tuple[str, ...] = ("mod_xml_curl", "mod_lua")
        self.trouble = ""
        self.knocked = "doctor"
        self.entered: dict[str, str] = {}
        self.turns: dict[str, int] = {}
        self.listening = True
        self.here = True
        self.seen = DaemonSeen(version="1.0", switches={"main": True})
        self.files: dict[str, FileSeen] = {
            str(SERVICE_STATE): FileSeen(exists=True, readable=True, writable=True, mode=0o750, owner="fsqueue"),
            "/etc/fsqueue/esl-password": FileSeen(exists=True, readable=True, mode=0o640, owner="root"),
        }
        self.knocks = 0

    def log_in(self, switch: str) -> str:
        return self.trouble

    def api(self, switch: str, command: str) -> str:
        name, _, rest = command.partition(" ")
        if name == "module_exists":
            return "false" if rest in self.missing else "true"
        if name == "global_getvar":
            return self.said.get(command, "-ERR no reply")
        if self.said.get(command) == "(nothing)":
            raise ProbeError("no answer within 5 s")
        return self.said.get(command, "-ERR")

    def enter(self, switch: str, extension: str, context: str) -> str:
        self.knocks += 1
        return self.entered.get(f"{extension} {context}", self.knocked)

    def laps(self, switch: str, seconds: float) -> dict[str, int]:
        return self.turns

    def daemon(self) -> DaemonSeen:
        return self.seen

    def listens(self, address: str) -> bool:
        return self.listening

    def file(self, path: Path) -> FileSeen:
        return self.files.get(str(path), FileSeen())

    def local(self, host: str) -> bool:
        return self.here if host != "10.0.0.9" else False

    def now(self) -> float:
        return NOW


class Clinic:
    """A configuration, its world, and what doctor finds."""

    def __init__(self, text: str = CONFIG) -> None:
        self.configuration = configuration(text)
        self.world = World(self.configuration)

    def examine(self) -> list[Finding]:
        case = Case(
            path=Path("/etc/fsqueue/fsqueue.toml"), configuration=self.configuration, state=SERVICE_STATE, version="1.0"
        )
        return list(examine(case, self.world))

    def bad(self) -> list[Finding]:
        return [finding for finding in self.examine() if finding.state is not State.OK]

    def only(self) -> Finding:
        (finding,) = self.bad()
        return finding


def test_where_all_is_well_every_check_says_so() -> None:
    found = Clinic().examine()
    assert [finding for finding in found if finding.state is not State.OK] == []
    assert [finding.check for finding in found] == [
        "configuration", "reached", "version", "modules", "takes_calls", "dialplan", "entries", "entries", "fallback",
        "hand_over", "phones", "music", "music", "mailboxes", "clock", "lease", "dead_callers", "bites", "daemon",
        "permissions", "permissions",
    ]  # fmt: skip


def test_a_switch_out_of_reach_is_one_failure_and_the_rest_is_not_guessed_at() -> None:
    clinic = Clinic()
    clinic.world.trouble = "nothing listens at 127.0.0.1:8021; is FreeSWITCH running, with mod_event_socket?"
    found = clinic.bad()
    assert [(f.check, f.state) for f in found] == [("reached", "fail"), ("switch", "skip")]
    assert found[0].text == "nothing listens at 127.0.0.1:8021"
    assert found[0].remedy == "is FreeSWITCH running, with mod_event_socket?"


def test_errors_of_the_configuration_stop_everything_else() -> None:
    checked = check_text("nonsense = 1", "bad.toml")
    case = Case(path=Path("bad.toml"), configuration=Configuration(), problems=checked.problems)
    found = list(examine(case, World(Configuration())))
    assert "fail" in [f.state for f in found]
    assert "bad.toml:1" in found[0].text
    assert [f.check for f in found if f.state is not State.SKIP] == ["configuration"] * (len(found) - 1)


def test_warnings_of_the_configuration_are_shown() -> None:
    text = CONFIG + "[groups.empty]\n"
    case = Case(path=Path("x"), configuration=configuration(text), problems=check_text(text, "x").problems)
    assert any(f.check == "configuration" and f.state == "warn" for f in examine(case, World(configuration(text))))


@pytest.mark.parametrize(("said", "state"), [("1.8.7", "fail"), ("1.6", "fail"), ("what?", "warn"), ("2.0-dev", None)])
def test_a_version_is_new_enough_too_old_or_unknown(said: str, state: str | None) -> None:
    clinic = Clinic()
    clinic.world.said["version short"] = said
    assert [f.state for f in clinic.bad()] == ([state] if state else [])


@pytest.mark.parametrize("module", ["mod_hash", "mod_voicemail", "mod_sndfile", "mod_local_stream", "mod_sofia"])
def test_a_module_that_is_needed_is_missed_and_its_loading_told(module: str) -> None:
    clinic = Clinic()
    clinic.world.missing += (module,)
    finding = clinic.only()
    assert (finding.check, finding.state) == ("modules", "fail")
    assert finding.text.startswith(f"{module} is not loaded: ")
    assert f"load {module}" in finding.remedy
    assert "modules.conf.xml" in finding.remedy


def test_a_module_that_nothing_needs_is_not_missed() -> None:
    clinic = Clinic(CONFIG.replace('action = "voicemail"\nmailbox = "1000@example.com"', 'action = "hangup"'))
    clinic.world.missing += ("mod_voicemail",)
    assert clinic.bad() == []


def test_a_context_that_is_not_there_has_to_be_installed() -> None:
    clinic = Clinic()
    clinic.world.said["xml_locate dialplan context name fsqueue"] = "can't find anything"
    finding = clinic.only()
    assert (finding.check, finding.state, finding.remedy) == ("dialplan", "fail", "fsqueue dialplan install")


CURL = """<configuration name="xml_curl.conf"><bindings><binding name="d">
<param name="gateway-url" value="http://fs:secret@pbx.example.com/xml" bindings="{bindings}"/></binding></bindings></configuration>"""
LUA = """<configuration name="lua.conf"><settings><param name="xml-handler-script" value="{script}"/>
<param name="xml-handler-bindings" value="configuration,dialplan,directory"/></settings></configuration>"""
ASKED = {
    "mod_xml_curl": (
        "xml_curl.conf",
        CURL.format(bindings="dialplan|directory"),
        "mod_xml_curl (http://pbx.example.com/xml)",
    ),
    "mod_lua": ("lua.conf", LUA.format(script="dialplan.lua"), "a Lua script (dialplan.lua)"),
    "FusionPBX": ("lua.conf", LUA.format(script="app.lua xml_handler"), "FusionPBX's database"),
}


def asked(who: str, text: str = CONFIG) -> Clinic:
    """A site whose dialplan is not in files; `xml_locate` shows of it what a file says that no call ever gets to see."""
    clinic = Clinic(text)
    file, conf, _ = ASKED[who]
    clinic.world.missing = () if who == "mod_xml_curl" else ("mod_xml_curl",)
    clinic.world.said[f"xml_locate configuration configuration name {file}"] = conf
    clinic.world.entered["fsqueue-hold fsqueue"] = "hold_over"
    return clinic


@pytest.mark.parametrize("who", ASKED)
def test_where_somebody_else_is_asked_for_the_dialplan_empty_calls_prove_it(who: str) -> None:
    clinic = asked(who)
    found = clinic.examine()
    assert [f for f in found if f.state is not State.OK] == []
    shown = [f.text for f in found if f.check in ("dialplan", "entries")]
    assert len(shown) == 5  # the hold, and a number and an extension in each of two contexts
    assert shown[0] == f"an empty call came to the hold in the context fsqueue, from {ASKED[who][2]}"
    assert "secret" not in " ".join(shown)


@pytest.mark.parametrize(
    ("who", "words"),
    [("mod_xml_curl", "have it answer"), ("mod_lua", "have it answer"), ("FusionPBX", "dialplan show --fusionpbx")],
)
def test_what_a_file_shows_is_no_proof_where_somebody_else_is_asked(who: str, words: str) -> None:
    clinic = asked(who)
    clinic.world.entered["fsqueue-hold fsqueue"] = ""
    clinic.world.entered["7001 default"] = ""
    hold, entry = clinic.bad()
    assert (hold.check, hold.state) == ("dialplan", "fail")
    assert "led nowhere" in hold.text
    assert (entry.check, entry.text) == (
        "entries",
        "an empty call for 7001 in the context default did not come to fsqueue",
    )
    assert words in hold.remedy
    assert words in entry.remedy


def test_where_empty_calls_would_ring_somebody_none_is_sent() -> None:
    clinic = asked("FusionPBX", CONFIG + '[telephony]\nfallback = "reception"\n')
    assert [(f.check, f.state) for f in clinic.bad() if f.state is State.SKIP] == [
        ("dialplan", "skip"), ("entries", "skip"), ("hand_over", "skip"),
    ]  # fmt: skip
    assert clinic.world.knocks == 0


def test_a_module_that_is_asked_for_other_things_is_none_for_the_dialplan() -> None:
    clinic = asked("mod_xml_curl")
    clinic.world.said["xml_locate configuration configuration name xml_curl.conf"] = CURL.format(bindings="directory")
    assert "as the configuration makes it" in next(f.text for f in clinic.examine() if f.check == "dialplan")


def test_a_context_of_another_configuration_is_outdated() -> None:
    clinic = Clinic()
    key = "xml_locate dialplan context name fsqueue"
    clinic.world.said[key] = clinic.world.said[key].replace("+6 ", "+9 ")
    finding = clinic.only()
    assert (finding.check, finding.remedy) == ("dialplan", "fsqueue dialplan install")
    assert "is not that of the configuration" in finding.text


def entered(clinic: Clinic, before: str = "", lines: str | None = None) -> None:
    own = bare(render_entry(dialplan_facts(clinic.configuration))) if lines is None else lines
    clinic.world.said["xml_locate dialplan context name public"] = context("public", before + own)


def test_an_entry_context_without_our_lines_leads_nowhere() -> None:
    clinic = Clinic()
    entered(clinic, lines="")
    assert clinic.only().text == "nothing in the context public leads to fsqueue"


def test_an_entry_context_with_old_lines_is_outdated() -> None:
    clinic = Clinic()
    facts = replace(dialplan_facts(clinic.configuration), extensions=("7009",))
    entered(clinic, lines=bare(render_entry(facts)))
    assert "not those of the configuration" in clinic.only().text


def test_an_entry_context_that_does_not_exist_is_named() -> None:
    clinic = Clinic()
    clinic.world.said["xml_locate dialplan context name public"] = "can't find anything"
    assert (clinic.only().state, clinic.only().text) == ("warn", "FreeSWITCH has no context public")


def extension(name: str, expression: str, more: str = "") -> str:
    condition = (
        f'<condition field="destination_number" expression="{expression}"><action application="park"/></condition>'
    )
    return f'<extension name="{name}"{more}>{condition}</extension>'


def test_what_stands_before_our_lines_and_takes_our_calls_is_named() -> None:
    clinic = Clinic(CONFIG.replace("[groups.sales]", "[groups.sales]\npickup = true"))
    entered(clinic, before=extension("group-intercept", r"^\*8$"))
    finding = clinic.only()
    assert (finding.check, finding.state) == ("entries", "fail")
    assert "group-intercept stands before fsqueue's and takes *8" in finding.text


def test_a_pickup_code_that_nobody_may_use_is_left_to_the_site() -> None:
    clinic = Clinic()
    entered(clinic, before=extension("group-intercept", r"^\*8$"))
    assert clinic.bad() == []


@pytest.mark.parametrize(
    "before",
    [extension("colleague", "^10[0-9]{2}$"), extension("all", "^.*$", ' continue="true"'), extension("odd", "^(?|x")],
)
def test_what_stands_before_our_lines_and_takes_none_of_our_calls_is_left_alone(before: str) -> None:
    clinic = Clinic()
    entered(clinic, before=before)
    assert clinic.bad() == []


def with_fallback(taken: str) -> Clinic:
    clinic = Clinic(CONFIG + '[telephony]\nfallback = "reception"\n')
    key = "xml_locate dialplan context name default"
    clinic.world.said[key] = clinic.world.said[key].replace("</context>", extension("desk", taken) + "</context>")
    return clinic


def test_a_fallback_of_the_sites_own_is_looked_for_and_spared_the_empty_call() -> None:
    clinic = with_fallback("^reception$")
    assert [(f.check, f.state) for f in clinic.bad()] == [("hand_over", "skip")]
    assert clinic.world.knocks == 0


def test_a_fallback_that_nothing_takes_is_a_warning() -> None:
    found = with_fallback("^lobby$").bad()
    assert [(f.check, f.state) for f in found] == [("fallback", "warn"), ("hand_over", "skip")]
    assert "add an extension reception" in found[0].remedy


@pytest.mark.parametrize(
    ("why", "listening", "text", "remedy"),
    [
        ("daemon_down", False, "nothing listens", "systemctl start fsqueue"),
        ("daemon_down", True, "can't connect", "firewall"),
        ("daemon_silent", True, "nobody took the call", "journalctl"),
        ("link_down", True, "is not connected", "[switches]"),
        ("unknown_switch", True, "is not connected", "[switches]"),
        ("overload", True, "refuses calls: overload", "journalctl"),
        ("", True, "led nowhere", "fsqueue dialplan install"),
    ],
)
def test_how_an_empty_call_ended_says_which_way_is_blocked(why: str, listening: bool, text: str, remedy: str) -> None:
    clinic = Clinic()
    clinic.world.knocked, clinic.world.listening = why, listening
    finding = clinic.only()
    assert (finding.check, finding.state) == ("hand_over", "fail")
    assert text in finding.text
    assert remedy in finding.remedy


def test_a_switch_elsewhere_cannot_reach_our_loopback() -> None:
    clinic = Clinic(CONFIG.replace('host = "127.0.0.1"', 'host = "10.0.0.9"'))
    finding = clinic.only()
    assert (finding.check, finding.state) == ("hand_over", "fail")
    assert "listen.dialplan" in finding.remedy
    assert clinic.world.knocks == 0


PARKED = CONFIG + '[telephony]\nhand_over = "park"\n'


def test_a_call_that_is_handed_over_parked_needs_no_address_of_ours() -> None:
    clinic = Clinic(PARKED.replace('host = "127.0.0.1"', 'host = "10.0.0.9"'))
    (finding,) = [one for one in clinic.examine() if one.check == "hand_over"]
    assert (finding.state, finding.text) == ("ok", "FreeSWITCH hands calls over parked, and fsqueue takes them")


@pytest.mark.parametrize(
    ("why", "text", "remedy"),
    [
        ("daemon_silent", "nobody took it", "systemctl status fsqueue"),
        ("overload", "refuses calls: overload", "journalctl"),
        ("", "led nowhere", "fsqueue dialplan install"),
    ],
)
def test_how_a_parked_empty_call_ended_says_what_is_wrong(why: str, text: str, remedy: str) -> None:
    clinic = Clinic(PARKED)
    clinic.world.knocked = why
    finding = clinic.only()
    assert (finding.check, finding.state) == ("hand_over", "fail")
    assert text in finding.text
    assert remedy in finding.remedy


def test_the_dialplan_of_the_other_way_in_is_out_of_date() -> None:
    clinic = Clinic(PARKED)
    clinic.world.said["xml_locate dialplan context name fsqueue"] = bare(render(dialplan_facts(configuration(CONFIG))))
    assert (clinic.only().check, clinic.only().remedy) == ("dialplan", "fsqueue dialplan install")


def test_a_switch_that_is_paused_takes_no_calls() -> None:
    clinic = Clinic()
    clinic.world.said["fsctl pause_check"] = "true"
    assert (clinic.only().check, clinic.only().state, clinic.only().remedy) == (
        "takes_calls", "fail", "fs_cli -x 'fsctl resume'",
    )  # fmt: skip


def test_a_group_that_rings_more_phones_at_once_than_the_switch_can_is_named() -> None:
    members = "".join(f'[members.m{n}]\ndial = "sofia/internal/{n}@x"\nuser = "{n}@x"\n' for n in range(40))
    names = ", ".join(f'"m{n}"' for n in range(40))
    clinic = Clinic(CONFIG + members + f'[groups.all]\ndistribution = "to-all"\nmembers = [{names}]\n')
    assert clinic.only().text == "FreeSWITCH makes at most 30 legs a second, and all rings 40 phones at once"
    assert "80" in clinic.only().remedy


def test_without_mod_loopback_no_empty_call_is_made() -> None:
    clinic = Clinic()
    clinic.world.missing += ("mod_loopback",)
    assert (clinic.only().check, clinic.only().state) == ("hand_over", "skip")


def test_a_member_without_a_phone_is_a_warning_and_without_a_user_a_failure() -> None:
    clinic = Clinic()
    clinic.world.said["sofia_contact */1001@example.com"] = "error/user_not_registered"
    assert (clinic.only().state, clinic.only().text) == ("warn", "anna: no phone is registered as 1001@example.com")
    clinic.world.said["user_exists id 1001 example.com"] = "false"
    assert clinic.only().state == "fail"
    assert "directory has no user 1001@example.com" in clinic.only().text


def test_several_phones_of_a_member_are_counted() -> None:
    clinic = Clinic()
    one = "sofia/internal/sip:1001@10.0.0.5:5060"
    clinic.world.said["sofia_contact */1001@example.com"] = f"{one},{one.replace('5060', '5062')}"
    assert any("2 phones are registered" in f.text and "each is rung" in f.text for f in clinic.examine())


def test_a_member_of_whom_nobody_knows_which_user_he_is_can_not_pick_up() -> None:
    clinic = Clinic(CONFIG.replace("user/1001@example.com", "sofia/external/600@10.0.0.7"))
    assert (clinic.only().check, clinic.only().state) == ("phones", "warn")
    assert "--user" in clinic.only().remedy


def test_a_member_behind_loopback_can_not_be_rung() -> None:
    clinic = Clinic(
        CONFIG.replace('dial = "user/1001@example.com"', 'dial = "loopback/1001"\nuser = "1001@example.com"')
    )
    assert "such calls fail" in clinic.only().text


@pytest.mark.parametrize(
    ("command", "answer", "text"),
    [
        ("local_stream show default", "-ERR Cannot locate local_stream default!", "has no local_stream default"),
        ("file_exists /music/jazz.wav", "false", "has no file /music/jazz.wav"),
    ],
)
def test_music_that_is_not_there_is_named_with_its_key(command: str, answer: str, text: str) -> None:
    clinic = Clinic()
    clinic.world.said[command] = answer
    finding = clinic.only()
    assert (finding.check, finding.state) == ("music", "fail")
    assert text in finding.text
    assert "music" in finding.remedy


def test_a_prompt_that_is_not_there_is_named_with_its_key() -> None:
    step = 'action = "wait"\nprompt = "/prompts/wait.wav"'
    clinic = Clinic(CONFIG.replace('action = "voicemail"\nmailbox = "1000@example.com"', step))
    assert clinic.only().text == "groups.sales.unanswered.prompt: FreeSWITCH has no file /prompts/wait.wav"


def test_a_mailbox_of_nobody_is_named() -> None:
    clinic = Clinic()
    clinic.world.said["user_exists id 1000 example.com"] = "false"
    assert (clinic.only().check, clinic.only().state) == ("mailboxes", "fail")
    assert "groups.sales.unanswered.mailbox" in clinic.only().text
    assert "no user 1000@example.com" in clinic.only().text


@pytest.mark.parametrize(
    ("said", "state", "text"),
    [
        ("Invalid Gateway!", "fail", "has no gateway provider"),
        ("Name \tprovider\nState  \tREGED\nStatus \tUP\n", None, ""),
        ("Name \tprovider\nState  \tNOREG\nStatus \tUP\n", None, ""),
        ("Name \tprovider\nState  \tFAIL_WAIT\nStatus \tUP\n", "warn", "is FAIL_WAIT"),
        ("Name \tprovider\nState  \tREGED\nStatus \tDOWN\n", "warn", "REGED and DOWN"),
    ],
)
def test_the_gateway_that_numbers_are_dialled_by_is_looked_at(said: str, state: str | None, text: str) -> None:
    clinic = Clinic(CONFIG + '[telephony]\noutbound = "sofia/gateway/provider/{number}"\n')
    clinic.world.said["sofia status gateway provider"] = said
    found = [f for f in clinic.examine() if f.check == "gateways"]
    assert [f.state for f in found] == [state or "ok"]
    assert text in found[0].text


def test_where_a_user_can_have_one_phone_only_it_says_how_to_have_more() -> None:
    clinic = Clinic()
    key = "xml_locate configuration configuration name sofia.conf"
    clinic.world.said[key] = clinic.world.said[key].replace('"contact"', '"false"')
    (found,) = [f for f in clinic.examine() if "keeps one phone" in f.text]
    assert found.state is State.OK
    assert "multiple-registrations=contact" in found.text


@pytest.mark.parametrize(
    ("most", "state", "text"),
    [(1, None, ""), (4, "warn", "laps of a second"), (300, "fail", "spin: one made 300 laps")],
)
def test_the_laps_of_those_who_wait_are_counted(most: int, state: str | None, text: str) -> None:
    clinic = Clinic()
    clinic.world.said["show channels like fsq1|"] = "u-1,inbound,,,fsq1|fsqueue|call|c-1|sales|1\n\n1 total."
    clinic.world.turns = {"u-1": most, "u-2": 1}
    (found,) = [f for f in clinic.examine() if f.check == "holds"]
    assert found.state == (state or "ok")
    assert text in found.text


def test_the_sample_passwords_are_named() -> None:
    clinic = Clinic()
    clinic.world.said["global_getvar default_password"] = "1234"
    clinic.world.said["xml_locate configuration configuration name event_socket.conf"] = (
        '<configuration name="event_socket.conf"><settings><param name="password" value="ClueCon"/></settings></configuration>'
    )
    phones, esl = clinic.bad()
    assert [(f.check, f.state) for f in (phones, esl)] == [("bites", "warn")] * 2
    assert "1234" in phones.text
    assert "ten seconds" in phones.text
    assert "ClueCon" in esl.text


@pytest.mark.parametrize(("ahead", "words"), [(30, "30 s ahead of"), (-30, "30 s behind")])
def test_clocks_that_differ_are_a_warning(ahead: int, words: str) -> None:
    clinic = Clinic()
    clinic.world.said["strepoch"] = str(int(NOW) + ahead)
    assert words in clinic.only().text
    assert "NTP" in clinic.only().remedy


def test_a_switch_that_does_not_tell_its_time_is_a_warning() -> None:
    clinic = Clinic()
    clinic.world.said["strepoch"] = "-ERR"
    assert (clinic.only().check, clinic.only().state) == ("clock", "warn")


@pytest.mark.parametrize(("lease", "text"), [("-ERR no reply", "there is no lease"), (str(int(NOW) - 9), "9 s ago")])
def test_without_a_lease_callers_go_to_the_fallback(lease: str, text: str) -> None:
    clinic = Clinic()
    clinic.world.said["hash select/fsqueue/alive-fsqueue"] = lease
    assert (clinic.only().check, clinic.only().state) == ("lease", "fail")
    assert text in clinic.only().text


def test_a_profile_without_session_timers_keeps_dead_callers() -> None:
    clinic = Clinic()
    more = '<param name="enable-timer" value="false"/>'
    clinic.world.said["xml_locate configuration configuration name sofia.conf"] = SOFIA.format(more=more)
    assert (clinic.only().check, clinic.only().state) == ("dead_callers", "warn")
    assert "internal" in clinic.only().text


def test_profiles_that_are_not_shown_are_not_judged() -> None:
    clinic = Clinic()
    clinic.world.said["xml_locate configuration configuration name sofia.conf"] = "can't find anything"
    assert (clinic.only().check, clinic.only().state) == ("dead_callers", "skip")


def test_a_profile_that_does_not_authenticate_hides_members_calls() -> None:
    clinic = Clinic()
    key = "xml_locate configuration configuration name sofia.conf"
    clinic.world.said[key] = SOFIA.format(more="").replace('"auth-calls" value="true"', '"auth-calls" value="false"')
    assert "auth-calls=false" in clinic.only().text


@pytest.mark.parametrize(
    ("contacts", "blamed"),
    [
        ("sofia/internal/sip:1001@10.0.0.5:5060", True),  # registered there, whatever the profile's own context is
        ("sofia/other/sip:1001@10.0.0.5:5060", False),
        ("error/user_not_registered", False),
    ],
)
def test_the_phones_profile_is_where_members_are_registered(contacts: str, blamed: bool) -> None:
    """In FreeSWITCH's samples the phones' profile has the context public, and the users' own context counts."""
    clinic = Clinic()
    key = "xml_locate configuration configuration name sofia.conf"
    changed = SOFIA.format(more="").replace('"context" value="default"', '"context" value="public"')
    clinic.world.said[key] = changed.replace('"auth-calls" value="true"', '"auth-calls" value="false"')
    clinic.world.said["sofia_contact */1001@example.com"] = contacts
    assert any("auth-calls=false" in f.text for f in clinic.examine()) == blamed


def test_a_variable_that_parks_is_found_among_the_global_ones_and_in_the_entry_contexts() -> None:
    clinic = Clinic()
    clinic.world.said["global_getvar park_after_bridge"] = "true"
    entered(
        clinic,
        before='<extension name="odd" continue="true"><condition>'
        '<action application="set" data="media_timeout=30"/></condition></extension>',
    )
    first, second = clinic.bad()
    assert "global variable park_after_bridge is true" in first.text
    assert "extension odd in the context public sets media_timeout" in second.text


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (DaemonSeen(trouble="no fsqueue listens at /run/x: start it (systemctl start fsqueue)"), "no fsqueue listens"),
        (DaemonSeen(version="0.9", switches={"main": True}), "is 0.9, this command is 1.0"),
        (DaemonSeen(version="1.0", switches={}), "doesn't know [switches.main]"),
        (DaemonSeen(version="1.0", switches={"main": False}), "is not connected to [switches.main]"),
    ],
)
def test_what_is_wrong_with_the_daemon_is_said(seen: DaemonSeen, text: str) -> None:
    clinic = Clinic()
    clinic.world.seen = seen
    assert clinic.only().check == "daemon"
    assert text in clinic.only().text
    assert clinic.only().remedy


@pytest.mark.parametrize(
    ("files", "state", "text"),
    [
        ({str(SERVICE_STATE): FileSeen()}, "warn", "there is no state folder"),
        ({str(SERVICE_STATE): FileSeen(exists=True, owner="anna", mode=0o750)}, "fail", "belongs to anna"),
        ({str(SERVICE_STATE): FileSeen(exists=True, owner="fsqueue", mode=0o755)}, "warn", "everybody on this machine"),
        ({"/etc/fsqueue/esl-password": FileSeen(exists=True)}, "skip", "run this as root"),
        ({"/etc/fsqueue/esl-password": FileSeen(exists=True, readable=True, mode=0o644)}, "warn", "the password"),
    ],
)
def test_files_that_the_wrong_people_can_use_are_named(files: Mapping[str, FileSeen], state: str, text: str) -> None:
    clinic = Clinic()
    clinic.world.files |= files
    assert (clinic.only().check, clinic.only().state) == ("permissions", state)
    assert text in clinic.only().text


def test_a_state_folder_of_ones_own_must_be_writable() -> None:
    clinic = Clinic()
    clinic.world.files["/home/x"] = FileSeen(exists=True, owner="x", mode=0o700)
    case = Case(
        path=Path("/etc/fsqueue/fsqueue.toml"), configuration=clinic.configuration, state=Path("/home/x"), version="1.0"
    )
    bad = [f for f in examine(case, clinic.world) if f.state is not State.OK]
    assert [f.text for f in bad] == ["/home/x can't be written"]


def test_a_switch_that_falls_silent_is_skipped_check_by_check() -> None:
    clinic = Clinic()
    clinic.world.said["strepoch"] = "(nothing)"
    assert [(f.check, f.state) for f in clinic.bad()] == [("clock", "skip"), ("lease", "skip")]


def test_every_finding_that_is_not_ok_says_what_to_do_or_why_not() -> None:
    clinic = Clinic()
    clinic.world.said.clear()
    clinic.world.missing += ("mod_hash", "mod_sofia")
    clinic.world.knocked, clinic.world.seen, clinic.world.files = "", DaemonSeen(trouble="gone"), {}
    found = clinic.bad()
    assert len(found) > 8
    assert all(f.remedy for f in found if f.state is not State.SKIP)
    assert all("\n" not in f.text + f.remedy for f in found)
