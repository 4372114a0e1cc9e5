"""What scripts/doctor-check does: broken set-ups on a real FreeSWITCH, and what doctor makes of them.

A case is a generator: up to its `yield` it breaks something, after it it does what doctor says. It yields what doctor has to
find. Exit codes: 0 all as they must, 1 one is not, 2 usage, 77 there is no FreeSWITCH.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs

import gevent
from gevent import pywsgi

from scripts import vanilla
from scripts.clinic import Clinic, Seen, WrongError
from tests.contract.freeswitch import NotInstalledError, NotStartedError, find

SKIPPED = 77


@dataclass(frozen=True)
class Expected:
    """A finding that there has to be: its check, its state, and what its text and its remedy say (regular expressions)."""

    check: str
    state: str
    text: str
    remedy: str = ""

    def fits(self, seen: Seen) -> bool:
        """Whether *seen* is it."""
        return (
            (seen.check, seen.state) == (self.check, self.state)
            and re.search(self.text, seen.text) is not None
            and re.search(self.remedy, seen.remedy) is not None
        )


class CannotError(Exception):
    """This FreeSWITCH has not what a case needs."""


Case = Callable[[Clinic], Iterator[list[Expected]]]
CASES: dict[str, Case] = {}


def case(case: Case) -> Case:
    """Make a case known by its function's name."""
    CASES[case.__name__.replace("_", "-")] = case
    return case


def one(check: str, state: str, text: str, remedy: str = "") -> list[Expected]:
    """Return the one finding that is expected."""
    return [Expected(check, state, text, remedy)]


# --- the switch


@case
def switch_down(clinic: Clinic) -> Iterator[list[Expected]]:
    """FreeSWITCH is not running."""
    clinic.stop_switch()
    yield one("reached", "fail", "nothing listens at 127.0.0.1", "is FreeSWITCH running")
    clinic.start_switch()


@case
def wrong_password(clinic: Clinic) -> Iterator[list[Expected]]:
    """The file esl-password and event_socket.conf.xml differ."""
    clinic.secret.write_text("something else")
    yield one("reached", "fail", "password", "event_socket")
    clinic.secret.write_text(clinic.secrets.esl)


@case
def module_missing(clinic: Clinic) -> Iterator[list[Expected]]:
    """mod_hash, which every hold asks, is not loaded."""
    clinic.api("unload mod_hash")
    yield [
        Expected("modules", "fail", "mod_hash is not loaded", "load mod_hash"),
        Expected("lease", "fail", "every caller goes to the fallback"),
    ]
    clinic.api("load mod_hash")


@case
def paused(clinic: Clinic) -> Iterator[list[Expected]]:
    """Somebody has paused FreeSWITCH."""
    clinic.api("fsctl pause")
    yield one("takes_calls", "fail", "paused", "fsctl resume")
    clinic.api("fsctl resume")


# --- the dialplan


@case
def not_installed(clinic: Clinic) -> Iterator[list[Expected]]:
    """The dialplan was never put in place."""
    for name in ("fsqueue.xml", "public/00_fsqueue.xml", "default/00_fsqueue.xml"):
        (clinic.conf / "dialplan" / name).unlink()
    clinic.api("reloadxml")
    yield [
        Expected("dialplan", "fail", "no context fsqueue", "fsqueue dialplan install"),
        Expected("entries", "fail", "nothing in the context public", "fsqueue dialplan install"),
        Expected("entries", "fail", "nothing in the context default", "fsqueue dialplan install"),
        Expected("hand_over", "fail", "led nowhere", "fsqueue dialplan install"),
    ]
    clinic.must("dialplan install")


@case
def outdated(clinic: Clinic) -> Iterator[list[Expected]]:
    """A number was added, and the dialplan not installed since."""
    clinic.must("number add +48221230000 --group sales")
    yield [
        Expected("dialplan", "fail", "not that of the configuration", "fsqueue dialplan install"),
        Expected("entries", "fail", "context public are not those", "fsqueue dialplan install"),
    ]
    clinic.must("dialplan install")
    clinic.well("with the number installed")
    clinic.must("number remove +48221230000 --yes")
    clinic.must("dialplan install")


@case
def taken_by_another(clinic: Clinic) -> Iterator[list[Expected]]:
    """An extension of the site's stands before ours and takes the group's."""
    theirs = '<extension name="desk"><condition field="destination_number" expression="^70"><action application="park"/></condition></extension>'
    include = '<X-PRE-PROCESS cmd="include" data="default/*.xml"/>'
    with clinic.edited("dialplan/default.xml", include, f"{theirs}\n{include}"):
        yield one("entries", "fail", "desk stands before fsqueue's and takes 7001", "beginning of the context")


@case
def pickup_code_taken(clinic: Clinic) -> Iterator[list[Expected]]:
    """FreeSWITCH's sample dialplan has a *8 of its own."""
    clinic.must("group set sales --pickup")
    ran = clinic.run("dialplan install")
    if ran.code != 1 or "group-intercept" not in ran.err:
        raise WrongError(f"dialplan install did not say that *8 is taken: {ran}")
    yield one("entries", "fail", r"group-intercept stands before fsqueue's and takes \*8", "use another one")
    clinic.must("pickup code '*9'")
    clinic.must("dialplan install")
    clinic.well("with another pickup code")
    clinic.must("group set sales --unset pickup")
    clinic.must("dialplan install")


@case
def asked_elsewhere(clinic: Clinic) -> Iterator[list[Expected]]:
    """The dialplan comes from a server that mod_xml_curl asks, and is not there."""
    answers: dict[str, str] = {}
    server = pywsgi.WSGIServer(("127.0.0.1", 0), lambda environ, begin: _answer(environ, begin, answers), log=None)
    server.start()
    url = f"http://127.0.0.1:{server.server_port}/dialplan"
    binding = f'<bindings><binding name="d"><param name="gateway-url" value="{url}" bindings="dialplan"/></binding>'
    answers["public"] = answers["default"] = ""
    with clinic.edited("autoload_configs/xml_curl.conf.xml", "<bindings>", binding):
        _load(clinic, "mod_xml_curl")
        ran = clinic.run("dialplan install")
        if ran.code != 1 or "nothing was written" not in ran.err or url not in ran.err:
            raise WrongError(f"dialplan install did not say what to put where: {ran}")
        # Our context is still in a file, which counts as long as the server has nothing for it; the entries have no way in.
        yield [
            Expected("dialplan", "ok", "an empty call came to the hold in the context fsqueue, from mod_xml_curl"),
            Expected("entries", "fail", "7001 in the context public did not come", "dialplan show --entry"),
            Expected("entries", "fail", "7001 in the context default did not come", "dialplan show --entry"),
        ]
        entry = "".join(clinic.must("dialplan show --entry").out.splitlines(keepends=True)[1:-1])
        answers["public"] = answers["default"] = entry
        answers["fsqueue"] = clinic.must("dialplan show --document").out
        file = clinic.conf / "dialplan" / "fsqueue.xml"
        ours = file.read_text()
        file.unlink()
        clinic.api("reloadxml")
        clinic.well("with the server answering")
        file.write_text(ours)
        clinic.api("unload mod_xml_curl")
    server.stop()


@case
def fusionpbx(clinic: Clinic) -> Iterator[list[Expected]]:
    """The dialplan comes from a script that keeps it elsewhere, as FusionPBX's does, and a file shows what no call sees."""
    script = clinic.folder / "scripts" / "xml_handler.lua"
    script.write_text(HANDLER.format(folder=clinic.folder))
    settings = (
        f'<settings><param name="xml-handler-script" value="{script}"/>'
        '<param name="xml-handler-bindings" value="configuration,dialplan"/>'
    )
    with clinic.edited("autoload_configs/lua.conf.xml", "<settings>", settings):
        # Its bindings are read at its start, and it can't be unloaded.
        _restart(clinic)
        if clinic.api("module_exists mod_lua") != "true":
            raise CannotError("this FreeSWITCH has no mod_lua")
        ran = clinic.run("dialplan install")
        if ran.code != 1 or "dialplan show --fusionpbx" not in ran.err:
            raise WrongError(f"dialplan install did not say what to put where: {ran}")
        forced = clinic.run(f"dialplan install --dir {clinic.conf}/dialplan")
        if forced.code != 1 or "led nowhere" not in forced.err:
            raise WrongError(f"dialplan install believed the file: {forced}")
        yield [
            Expected("dialplan", "fail", "fsqueue-hold in the context fsqueue led nowhere", "show --fusionpbx"),
            Expected("entries", "fail", "7001 in the context default did not come", "show --fusionpbx"),
        ]
        text = clinic.file.read_text()
        clinic.file.write_text(text.replace("[telephony]", '[telephony]\ncontext = "fsqueue@queues"'))
        clinic.must("config reload")
        _put_records(clinic)
        clinic.well("with the records in place")
        clinic.file.write_text(text)
        clinic.must("config reload")
    _restart(clinic)


HANDLER = """-- Answers for every context, with what is kept for it; a question without a call is taken for one about public.
local context = "public"
if params ~= nil then
  context = params:getHeader("Hunt-Context") or params:getHeader("Caller-Context") or "public"
end
if XML_REQUEST["section"] == "dialplan" then
  local kept = ""
  local file = io.open("{folder}/records-" .. context .. ".xml")
  if file then kept = file:read("*a"); file:close() end
  XML_STRING = '<document type="freeswitch/xml"><section name="dialplan"><context name="' .. context .. '">' .. kept ..
    '</context></section></document>'
end
"""


def _put_records(clinic: Clinic) -> None:
    """Do with the records as their heads say."""
    text = clinic.must("dialplan show --fusionpbx").out
    for head, xml in re.findall(
        r"^<!-- Dialplan Manager, add: (.*?) -->\n(.*?)(?=^<!-- Dialplan Manager|\Z)", text, re.M | re.S
    ):
        found = re.search(r"Context ([^,]+),", head)
        assert found is not None
        (clinic.folder / f"records-{found[1]}.xml").write_text(xml)


def _answer(environ: dict[str, object], begin: Callable[..., object], answers: dict[str, str]) -> list[bytes]:
    """What a site's server says: its contexts by the call's, and that it has nothing else."""
    body = environ["wsgi.input"].read().decode()  # type: ignore[attr-defined]
    asked = {key: values[0] for key, values in parse_qs(body).items()}
    context = asked.get("Hunt-Context") or asked.get("Caller-Context") or ""
    begin("200 OK", [("Content-Type", "text/xml")])
    kept = answers.get(context)
    if kept is None:
        nothing = '<section name="result"><result status="not found"/></section>'
        return [f'<document type="freeswitch/xml">{nothing}</document>'.encode()]
    if kept.startswith("<document"):
        return [kept.encode()]
    inner = f'<section name="dialplan"><context name="{context}">{kept}</context></section>'
    return [f'<document type="freeswitch/xml">{inner}</document>'.encode()]


def _restart(clinic: Clinic) -> None:
    clinic.stop_switch()
    clinic.start_switch()
    clinic.until(clinic.reached, 30, "the daemon has its switch again")


def _load(clinic: Clinic, module: str) -> None:
    # `+OK Reloading XML` comes first, whatever becomes of the module.
    if "-ERR" in clinic.api(f"load {module}"):
        raise CannotError(f"this FreeSWITCH has no {module}")


# --- the daemon


@case
def daemon_down(clinic: Clinic) -> Iterator[list[Expected]]:
    """The daemon is not running, and its lease has ended."""
    clinic.stop_daemon()
    clinic.api("hash insert/fsqueue/alive-fsqueue/1")
    yield [
        Expected("hand_over", "fail", "nothing listens for the dialplan", "start fsqueue"),
        Expected("lease", "fail", "the lease ended", "start the daemon"),
        Expected("daemon", "fail", "no fsqueue listens|can't be reached|is not running", "."),
    ]
    clinic.start_daemon()


@case
def daemon_mute(clinic: Clinic) -> Iterator[list[Expected]]:
    """The daemon takes connections, and says nothing."""
    clinic.signal_daemon(signal.SIGSTOP)
    yield one("hand_over", "fail", "nobody took the call", "journalctl")
    clinic.signal_daemon(signal.SIGCONT)


# --- people


@case
def phone_away(clinic: Clinic) -> Iterator[list[Expected]]:
    """A member's phone is not registered."""
    with clinic.unregistered("1001"):
        yield one("phones", "warn", "anna: no phone is registered as 1001@example.com", "offline until")


@case
def nobody_there(clinic: Clinic) -> Iterator[list[Expected]]:
    """A member is a user whom FreeSWITCH doesn't know."""
    clinic.must("member set anna --dial user/1099@example.com")
    yield one("phones", "fail", "directory has no user 1099@example.com", "members.anna.dial")
    clinic.must("member set anna --dial user/1001@example.com")


@case
def member_by_loopback(clinic: Clinic) -> Iterator[list[Expected]]:
    """A member is dialled through the dialplan again."""
    clinic.must("member set anna --dial loopback/1001/default --user 1001@example.com")
    yield one("bites", "warn", "anna is dialled by loopback/1001/default", "user/ or sofia/")
    clinic.must("member set anna --dial user/1001@example.com --unset user")


@case
def music_missing(clinic: Clinic) -> Iterator[list[Expected]]:
    """A number's music is a stream, and another's a file, that are not there."""
    clinic.must("number set +48221234567 --music local_stream://jazz")
    clinic.must("number add +48221230001 --group sales --music /srv/music/none.wav")
    clinic.must("dialplan install")
    yield [
        Expected("music", "fail", "no local_stream jazz", "local_stream.conf.xml"),
        Expected("music", "fail", "no file /srv/music/none.wav", "put it there"),
    ]
    clinic.must("number remove +48221230001 --yes")
    clinic.must("number set +48221234567 --unset music")
    clinic.must("dialplan install")


@case
def mailbox_of_nobody(clinic: Clinic) -> Iterator[list[Expected]]:
    """Voicemail goes to a box that is nobody's."""
    clinic.must("group set sales --unanswered voicemail:1999@example.com")
    yield one("mailboxes", "fail", "no user 1999@example.com", "groups.sales.unanswered.mailbox")
    clinic.must("group set sales --unanswered voicemail:1000@example.com")


@case
def gateway_missing(clinic: Clinic) -> Iterator[list[Expected]]:
    """Numbers are dialled by a gateway that FreeSWITCH doesn't have."""
    text = clinic.file.read_text()
    clinic.file.write_text(text.replace("[telephony]", '[telephony]\noutbound = "sofia/gateway/provider/{number}"'))
    yield one("gateways", "fail", "no gateway provider", "telephony.outbound")
    clinic.file.write_text(text)


# --- settings that bite


@case
def no_session_timers(clinic: Clinic) -> Iterator[list[Expected]]:
    """The phones' SIP profile has session timers switched off."""
    off = '<!--<param name="enable-timer" value="false"/>-->'
    with clinic.edited("sip_profiles/internal.xml", off, off.removeprefix("<!--").removesuffix("-->")):
        yield one("dead_callers", "warn", "internal has enable-timer=false", "profile internal restart")


@case
def calls_not_authenticated(clinic: Clinic) -> Iterator[list[Expected]]:
    """The phones' SIP profile doesn't ask who calls."""
    with clinic.edited(
        "sip_profiles/internal.xml",
        '<param name="auth-calls" value="$${internal_auth_calls}"/>',
        '<param name="auth-calls" value="false"/>',
    ):
        yield one("bites", "warn", "internal has auth-calls=false", "auth-calls=true")


@case
def parking_variable(clinic: Clinic) -> Iterator[list[Expected]]:
    """The site's dialplan sets a variable that takes callers away after a bridge."""
    theirs = '<extension name="odd" continue="true"><condition><action application="set" data="park_after_bridge=true"/></condition></extension>'
    include = '<X-PRE-PROCESS cmd="include" data="default/*.xml"/>'
    with clinic.edited("dialplan/default.xml", include, f"{theirs}\n{include}"):
        yield one("bites", "warn", "odd in the context default sets park_after_bridge", "take park_after_bridge out")


@case
def sample_password(clinic: Clinic) -> Iterator[list[Expected]]:
    """The phones' password is still that of FreeSWITCH's samples."""
    clinic.api("global_setvar default_password=1234")
    yield one("bites", "warn", "default_password is still 1234", "vars.xml")
    clinic.api(f"global_setvar default_password={clinic.secrets.phones}")


@case
def spinning_hold(clinic: Clinic) -> Iterator[list[Expected]]:
    """A hold that somebody has changed goes round without a rest, and a caller is in it."""
    music = clinic.folder / "sounds" / "music" / "8000" / "tune.wav"
    away = music.with_suffix(".away")
    file = clinic.conf / "dialplan" / "fsqueue.xml"
    ours = file.read_text()
    with clinic.unregistered("1001", "1002"):
        clinic.must("group set sales --unanswered wait")
        caller = clinic.call("7001")
        clinic.until(lambda: bool(_sightings(clinic, caller.who, "music")), 10, "the caller hears music")
        changed = re.sub(r"<action application=\"(sleep|playback)\"[^>]*/>", "", ours)
        file.write_text(changed)
        clinic.api("reloadxml")
        # His lap of good music has to end before the next one shows what was changed.
        gevent.sleep(32)
        yield [
            Expected("holds", "fail", "callers' holds spin", "fsqueue dialplan install"),
            Expected("dialplan", "fail", "not that of the configuration", "fsqueue dialplan install"),
            Expected("phones", "warn", "anna: no phone"),
        ]
        clinic.must("dialplan install")
        caller.leg.hang_up()
        clinic.must("group set sales --unanswered voicemail:1000@example.com")
    assert music.exists()
    assert not away.exists()


def _sightings(clinic: Clinic, who: str, what: str) -> list[object]:
    return [seen for seen in clinic.book.sightings if (seen.who, seen.what) == (who, what)]


# --- this machine


@case
def password_for_everybody(clinic: Clinic) -> Iterator[list[Expected]]:
    """Everybody on the machine can read the event socket's password."""
    clinic.secret.chmod(0o644)
    yield one("permissions", "warn", "everybody on this machine can read the password", "chmod o-rwx")
    clinic.secret.chmod(0o600)


@case
def errors_in_the_file(clinic: Clinic) -> Iterator[list[Expected]]:
    """The configuration has an error, so nothing else is looked at."""
    text = clinic.file.read_text()
    clinic.file.write_text(text.replace('members = ["anna", "jan"]', 'members = ["anna", "jon"]'))
    yield one("configuration", "fail", r'fsqueue\.toml:\d+: groups\.sales\.members.*"?jon', ".")
    clinic.file.write_text(text)


@case
def test_call(clinic: Clinic) -> Iterator[list[Expected]]:
    """No fault: a test call says what each step took; and where nobody picks up, that."""
    seen = clinic.doctor("--call sales --seconds 20")
    steps = [found.text for found in seen if found.check == "call"]
    wanted = (
        r"held for sales \d+ ms after dialling 7001",
        r"was rung after \d+ ms",
        r"answered, and was connected \d+ ms later",
    )
    for words in wanted:
        if not any(re.search(words, step) for step in steps):
            raise WrongError(f"the test call did not say {words}: {steps}")
    print("".join(f"      {step}\n" for step in steps), end="")
    with clinic.unregistered("1001", "1002"):
        seen = clinic.doctor("--call sales --seconds 5")
        if not any(
            Expected("call", "fail", "took the call for 7001 and did not hold it: .*voicemail", "group show").fits(
                found
            )
            for found in seen
        ):
            raise WrongError(
                f"a test call without phones did not say so: {[found for found in seen if found.check == 'call']}"
            )
        yield one("phones", "warn", "anna: no phone is registered")


# --- running them


def run(clinic: Clinic, name: str, *, verbose: bool) -> str:
    """Run one case; return `ok`, or why it was skipped. Raises WrongError."""
    began = time.monotonic()
    steps = CASES[name](clinic)
    try:
        wanted = next(steps)
    except CannotError as why:
        steps.close()
        clinic.well(f"after {name} was skipped")
        print(f"skip  {name}: {why}", flush=True)
        return "skipped"
    seen = clinic.doctor()
    missing = [expected for expected in wanted if not any(expected.fits(one) for one in seen)]
    if missing:
        bad = "\n".join(f"  {one}" for one in seen if one.state != "ok")
        raise WrongError(f"doctor did not find {missing}, but\n{bad}")
    for _ in steps:
        raise AssertionError(f"{name} breaks more than one thing")
    clinic.well(f"after {name} was mended")
    print(f"ok    {name}: {CASES[name].__doc__} ({time.monotonic() - began:.0f} s)")
    for one in seen:
        if verbose or any(expected.fits(one) for expected in wanted):
            print(f"      {one.state:<4} {one.text}")
            if one.remedy:
                print(f"           → {one.remedy}")
    sys.stdout.flush()
    return "passed"


def main(words: list[str]) -> int:
    """Run all cases, or those asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/doctor-check", description=__doc__)
    parser.add_argument("--freeswitch", metavar="PATH", help="an installed FreeSWITCH; else the one in $PATH")
    parser.add_argument("--conf", metavar="DIR", help="its sample configuration, where it isn't found beside it")
    parser.add_argument("--mod", metavar="DIR", help="its modules, where not those beside it are meant")
    parser.add_argument("--only", metavar="NAME", action="append", choices=CASES, help="this case; may be given again")
    parser.add_argument("--list", action="store_true", help="print the cases")
    parser.add_argument("--verbose", action="store_true", help="show all that doctor finds")
    options = parser.parse_args(words)
    if options.list:
        print("".join(f"{name}: {found.__doc__}\n" for name, found in CASES.items()), end="")
        return 0
    try:
        program = find(options.freeswitch)
        samples = vanilla.samples(program, options.conf)
    except (NotInstalledError, vanilla.NoSamplesError) as why:
        print(f"doctor-check: skipped, {why}", file=sys.stderr)
        return SKIPPED
    return _all(Clinic(program, samples, options.mod), options.only or list(CASES), verbose=options.verbose)


def _all(clinic: Clinic, names: list[str], *, verbose: bool) -> int:
    results = []
    try:
        clinic.open()
        for name in names:
            try:
                results.append(run(clinic, name, verbose=verbose))
            except (WrongError, NotStartedError) as why:
                print(f"FAIL  {name}: {why}", flush=True)
                results.append("failed")
                break
    except WrongError as why:
        print(f"FAIL  {why}")
        results.append("failed")
    finally:
        clinic.close()
    print(", ".join(f"{results.count(word)} {word}" for word in ("passed", "failed", "skipped")))
    return 1 if "failed" in results else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
