"""A FreeSWITCH of our own: a complete small configuration in a temporary folder, started on loopback ports and surely stopped.

Nothing of an installed configuration is used or touched, and several instances can run side by side: each has its own folder, its own
ports, and a lock on its block of RTP ports.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import math
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import wave
from pathlib import Path
from xml.sax.saxutils import quoteattr

import gevent
import msgspec

from tests.contract.rawesl import RefusedError, Switch

DOMAIN = "lab"
PASSWORD = "phone-secret"
USERS = tuple(str(number) for number in range(1001, 1021))
MODULES: tuple[str, ...] = (
    "console",
    "logfile",
    "event_socket",
    "sofia",
    "loopback",
    "hash",
    "db",
    "expr",
    "commands",
    "dptools",
)
MODULES += ("dialplan_xml", "voicemail", "local_stream", "tone_stream", "sndfile", "native_file", "say_en")
COLLEAGUES = f"""<extension name="colleague">
<condition field="destination_number" expression="^(10[0-9][0-9])$">
<action application="set" data="hangup_after_bridge=true"/>
<action application="bridge" data="user/$1@{DOMAIN}"/>
</condition>
</extension>"""
"""The site's own way from one desk to another, in its context `default`."""

RTP_PORTS = 400
"""RTP ports of one instance: two a leg, so 200 legs at a time, which is more than a scenario has."""


class NotInstalledError(Exception):
    """There is no FreeSWITCH where one was looked for."""


class NotStartedError(Exception):
    """FreeSWITCH ended or was not ready in time; the text carries the end of its log."""


def find(where: str | None) -> Path:
    """Return the `freeswitch` program for an installation's prefix, its program, or None for the one in PATH.

    Raises NotInstalledError.
    """
    if where is None:
        found = shutil.which("freeswitch")
        if found is None:
            raise NotInstalledError("no freeswitch in PATH; name an installed one with --freeswitch PATH")
        return Path(found).resolve()
    given = Path(where).expanduser()
    for candidate in (
        given,
        given / "bin" / "freeswitch",
        given / "usr" / "bin" / "freeswitch",
        given / "sbin" / "freeswitch",
    ):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate.resolve()
    raise NotInstalledError(f"no freeswitch program at {given} or below it")


class Dialplan(msgspec.Struct, frozen=True, kw_only=True):
    """The dialplan to run: `ours` is our own context, `entry` goes first in each entry context, both as files of `dialplan/` are.

    `site` is what the site itself has in its context `default`, after our lines: extensions of colleagues, a fallback.
    """

    ours: str
    entry: str
    site: str = ""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What a switch has beside what every lab has.

    `modules`: more of them, without `mod_`. `configurations`: their files, by name. `public`: extensions in the context that outside
    callers come in by. `users`: who may register. `loglevel`: what it logs; a busy switch spends much of its time on "debug".
    """

    modules: tuple[str, ...] = ()
    configurations: dict[str, str] = {}
    public: str = ""
    users: tuple[str, ...] = USERS
    loglevel: str = "debug"


class FreeSwitch:
    """One running FreeSWITCH. `internal` (users authenticate; context default) and `external` (anybody; context public) are SIP ports."""

    def __init__(self, program: Path, dialplan: Dialplan, password: str = "", site: Site | None = None) -> None:
        """Take free ports and write the configuration; `start` starts it. `program` is what `find` returned."""
        self.program, self.site = program, site or Site()
        self.folder = Path(tempfile.mkdtemp(prefix="fsqueue-lab-"))
        self.password = password or secrets.token_hex(12)
        self._rtp_lock, self.rtp = _rtp_block()
        self.internal, self.external = _free_port(socket.SOCK_DGRAM), _free_port(socket.SOCK_DGRAM)
        self.esl = _free_port(socket.SOCK_STREAM)
        self._process: subprocess.Popen[bytes] | None = None
        self._write(dialplan)
        atexit.register(self.close)

    @property
    def version(self) -> str:
        """The version line of the running switch."""
        with Switch(self.esl, self.password) as switch:
            return switch.api("version").strip()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        """FreeSWITCH's own log file."""
        return self.folder / "log" / "freeswitch.log"

    def start(self, seconds: float = 30.0) -> None:
        """Start it and wait until it takes commands and SIP, at most `seconds`. Raises NotStartedError."""
        places = {"conf": "conf", "log": "log", "run": "run", "db": "db", "storage": "storage", "cache": "cache"}
        places |= {
            "temp": "tmp",
            "recordings": "recordings",
            "certs": "certs",
            "scripts": "scripts",
            "htdocs": "htdocs",
        }
        places |= {"grammar": "grammar", "sounds": "sounds"}
        for place in places.values():
            (self.folder / place).mkdir(exist_ok=True)
        args = [arg for option, place in places.items() for arg in (f"-{option}", str(self.folder / place))]
        # Else FreeSWITCH first makes itself two 4096-bit keys, which can take it half a minute; nothing here speaks TLS.
        for certificate in ("wss.pem", "dtls-srtp.pem"):
            (self.folder / "certs" / certificate).write_text(_unusable_key())
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    'ulimit -c 0; exec "$@"',
                    "sh",
                    str(self.program),
                    "-nonat",
                    "-nf",
                    "-nc",
                    "-nocal",
                    *args,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
            )
        self._wait_ready(time.monotonic() + seconds)

    def kill(self) -> None:
        """End it without a word, as a crash would; its folder stays, and `start` starts it anew."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def close(self) -> None:
        """End it and remove its folder. Does nothing the second time."""
        self.kill()
        self._rtp_lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    def tail(self, lines: int = 60) -> str:
        """The last `lines` lines of its log, or of what it printed if it has none."""
        for place in (self.log, self.folder / "output"):
            if place.exists() and place.stat().st_size:
                return "\n".join(place.read_text(errors="replace").splitlines()[-lines:])
        return "(no log)"

    def _wait_ready(self, until: float) -> None:
        while time.monotonic() < until:
            assert self._process is not None
            if self._process.poll() is not None:
                raise NotStartedError(f"freeswitch ended with {self._process.returncode}\n{self.tail()}")
            with contextlib.suppress(OSError, RefusedError), Switch(self.esl, self.password) as switch:
                if "true" in switch.api("status") or "is ready" in switch.api("status"):
                    profiles = switch.api("sofia status")
                    if all(f":{port}" in profiles for port in (self.internal, self.external)):
                        return
            gevent.sleep(0.1)
        raise NotStartedError(f"freeswitch was not ready in time\n{self.tail()}")

    def _write(self, dialplan: Dialplan) -> None:
        conf = self.folder / "conf"
        (conf / "dialplan" / "entry").mkdir(parents=True)
        (conf / "freeswitch.xml").write_text(_main(self))
        (conf / "dialplan" / "fsqueue.xml").write_text(dialplan.ours)
        (conf / "dialplan" / "entry" / "00_fsqueue.xml").write_text(dialplan.entry)
        (conf / "dialplan" / "site.xml").write_text(_site(dialplan.site, self.site.public))
        for name, pitches in (("default", (440, 554, 659)), ("jazz", (330, 415, 494))):
            (self.folder / "music" / name).mkdir(parents=True)
            _tune(self.folder / "music" / name / "tune.wav", pitches)


def _unusable_key() -> str:
    """Return something of the form and size of a 4096-bit RSA private key. Its factors are not prime: it can protect nothing."""

    def der(tag: int, body: bytes) -> bytes:
        size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
        return bytes([tag]) + (size if len(body) < 128 else bytes([0x80 | len(size)]) + size) + body

    def number(value: int) -> bytes:
        return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))

    p, q, e = (1 << 2048) - 1, (1 << 2048) - 3, 65537
    body = b"".join(map(number, (0, p * q, e, 3 * e, p, q, e, e, e)))
    text = base64.encodebytes(der(0x30, body)).decode()
    return f"-----BEGIN RSA PRIVATE KEY-----\n{text}-----END RSA PRIVATE KEY-----\n"


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _rtp_block() -> tuple[socket.socket, tuple[int, int]]:
    """Take a block of RTP ports that no other instance uses: the one who holds its first port has the block."""
    for first in range(20000, 32000, RTP_PORTS):
        lock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            lock.bind(("127.0.0.1", first))
        except OSError:
            lock.close()
            continue
        return lock, (first + 2, first + RTP_PORTS - 2)
    raise OSError("no free block of RTP ports between 20000 and 32000")


def _tune(place: Path, pitches: tuple[int, ...]) -> None:
    """Write a minute of soft tones, 8 kHz mono: music that nobody has rights in. At its end there is a gap of half a second."""
    rate, seconds, times = 8000, 6, 10
    samples = (
        int(6000 * math.sin(2 * math.pi * pitches[(index // (rate // 2)) % len(pitches)] * index / rate))
        for index in range(rate * seconds)
    )
    with wave.open(str(place), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples) * times)


def _params(**values: object) -> str:
    return "".join(
        f"<param name={quoteattr(name.replace('_', '-'))} value={quoteattr(str(value))}/>"
        for name, value in values.items()
    )


def _main(lab: FreeSwitch) -> str:
    modules = "".join(f'<load module="mod_{name}"/>' for name in (*MODULES, *lab.site.modules))
    streams = "".join(
        f"<directory name={quoteattr(name)} path={quoteattr(str(lab.folder / 'music' / name))}>"
        f"{_params(rate=8000, channels=1, interval=20, timer_name='soft')}</directory>"
        for name in ("default", "jazz")
    )
    configurations = {
        "modules.conf": f"<modules>{modules}</modules>",
        "switch.conf": "<settings>"
        + _params(
            max_sessions=1000,
            sessions_per_second=200,
            loglevel=lab.site.loglevel,
            rtp_start_port=lab.rtp[0],
            rtp_end_port=lab.rtp[1],
            rtp_enable_zrtp="false",
            multiple_registrations="true",
            mailer_app="true",
            dump_cores="no",
        )
        + "</settings>",
        "event_socket.conf": "<settings>"
        + _params(listen_ip="127.0.0.1", listen_port=lab.esl, password=lab.password, nat_map="false")
        + "</settings>",
        "console.conf": "<mappings><map name='all' value='console,debug,info,notice,warning,err,crit,alert'/></mappings>",
        "logfile.conf": "<settings/><profiles><profile name='default'><settings>"
        + _params(logfile=lab.log, rollover=0)
        + "</settings><mappings><map name='all' value='console,debug,info,notice,warning,err,crit,alert'/></mappings></profile></profiles>",
        "sofia.conf": "<profiles>"
        + _profile("internal", lab.internal, "default", auth="true")
        + _profile("external", lab.external, "public", auth="false")
        + "</profiles>",
        "local_stream.conf": streams,
        "voicemail.conf": "<settings/><profiles><profile name='default'>"
        + _params(
            file_extension="wav",
            max_record_len=30,
            min_record_len=1,
            max_login_attempts=1,
            digit_timeout=2000,
            max_retries=1,
            tone_spec="%(200, 0, 640)",
            record_silence_threshold=200,
            record_silence_hits=2,
        )
        + "</profile></profiles>",
        "loopback.conf": "<settings/>",
        "hash.conf": "<remotes/>",
        "db.conf": "<settings/>",
        **lab.site.configurations,
    }
    sections = "".join(
        f"<configuration name={quoteattr(name)} description=''>{body}</configuration>"
        for name, body in configurations.items()
    )
    return f"""<?xml version="1.0"?>
<document type="freeswitch/xml">
<section name="configuration">{sections}</section>
<section name="dialplan">
<X-PRE-PROCESS cmd="include" data="dialplan/fsqueue.xml"/>
<X-PRE-PROCESS cmd="include" data="dialplan/site.xml"/>
</section>
<section name="directory">{_directory(lab.site.users)}</section>
<section name="languages">{_phrases()}</section>
</document>
"""


def _profile(name: str, port: int, context: str, auth: str) -> str:
    settings = _params(
        sip_ip="127.0.0.1",
        rtp_ip="127.0.0.1",
        sip_port=port,
        context=context,
        dialplan="XML",
        codec_prefs="PCMU,PCMA",
        inbound_codec_negotiation="generous",
        rtp_timer_name="soft",
        dtmf_type="rfc2833",
        auth_calls=auth,
        accept_blind_reg="false",
        multiple_registrations="contact",
        challenge_realm="auto_from",
        force_register_domain=DOMAIN,
        force_register_db_domain=DOMAIN,
        force_subscription_domain=DOMAIN,
        inbound_reg_force_matching_username="true",
        log_auth_failures="true",
        nonce_ttl=3600,
        manage_presence="true",
        sip_trace="no",
    )
    return f"<profile name={quoteattr(name)}><settings>{settings}</settings></profile>"


def _directory(names: tuple[str, ...]) -> str:
    dial = "{^^:presence_id=${dialed_user}@${dialed_domain}}${sofia_contact(*/${dialed_user}@${dialed_domain})}"
    users = "".join(
        f"<user id={quoteattr(user)}><params>{_params(password=PASSWORD, vm_password=user)}</params>"
        f"<variables><variable name='user_context' value='default'/></variables></user>"
        for user in names
    )
    groups = f"<groups><group name='all'><users>{users}</users></group></groups>"
    return f"<domain name={quoteattr(DOMAIN)}><params>{_params(dial_string=dial)}</params>{groups}</domain>"


def _phrases() -> str:
    """The announcements of voicemail, each as a moment of nothing: without its macros it hangs up."""
    names = ("play_greeting", "record_message", "goodbye", "message_saved", "ack", "enter_id", "enter_pass", "unknown")
    speak = '<action function="play-file" data="silence_stream://100"/>'
    macros = "".join(
        f'<macro name="voicemail_{name}"><input pattern="(.*)"><match>{speak}</match><nomatch>{speak}</nomatch></input></macro>'
        for name in names
    )
    language = f"<phrases><macros>{macros}</macros></phrases>"
    return f'<language name="en" say-module="en" sound-prefix="/nonexistent">{language}</language>'


def _site(extensions: str, public: str) -> str:
    """The site's own contexts. Colleagues call each other in `default`; `public` has nothing but what we put there, and what a lab asks for.

    An X- header of a caller stands for what a site finds out about him and sets as a variable before it hands him over.
    """
    decided = "".join(
        f"<extension name='site-{name}' continue='true'><condition field='${{sip_h_X-{name}}}' expression='^([0-9a-z+*-]+)$'>"
        f"<action application='set' data='{name}=$1'/></condition></extension>"
        for name in ("fsqueue_to", "fsqueue_priority")
    )
    first = '<X-PRE-PROCESS cmd="include" data="entry/*.xml"/>'
    return f"""<include>
<context name="public">
{decided}
{first}
{public}
</context>
<context name="default">
{first}
{COLLEAGUES}
{extensions}
</context>
</include>
"""
