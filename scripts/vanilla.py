"""A FreeSWITCH with its own sample configuration, in the layout that most sites began with, on loopback alone.

The samples are those that came with the installed FreeSWITCH. What is changed in them is what a reader of the documentation
has changed in his: the domain, the passwords, and here also what would look for addresses on the internet.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tests.contract.freeswitch import unusable_key, write_tune

DOMAIN = "example.com"
PLACES = ("etc/freeswitch", "conf", "share/freeswitch/conf/vanilla", "../share/freeswitch/conf/vanilla")


class NoSamplesError(Exception):
    """There is no sample configuration beside a FreeSWITCH."""


class Ports(msgspec.Struct, frozen=True):
    """Where it listens: the event socket, members' phones, everybody else, RTP."""

    esl: int = 8021
    internal: int = 5060
    external: int = 5080
    rtp: tuple[int, int] = (16384, 32768)


class Secrets(msgspec.Struct, frozen=True):
    """The event socket's password, and that of every phone."""

    esl: str = msgspec.field(default_factory=lambda: secrets.token_hex(12))
    phones: str = msgspec.field(default_factory=lambda: secrets.token_hex(8))


def samples(program: Path, named: str | None = None) -> Path:
    """Return the folder of the sample configuration: *named*, or the one beside *program*. Raises NoSamplesError."""
    prefix = program.parent.parent
    found = [Path(named)] if named else [prefix / place for place in PLACES]
    for folder in found:
        if (folder / "vars.xml").is_file() and "default_password" in (folder / "vars.xml").read_text():
            return folder.resolve()
    raise NoSamplesError(
        f"no sample configuration (vars.xml with default_password) in {', '.join(map(str, found))}; see --conf"
    )


def lay_out(samples: Path, conf: Path, ports: Ports, secret: Secrets) -> None:
    """Copy the samples to *conf*, and change in them what differs from site to site."""
    shutil.copytree(samples, conf, symlinks=True)
    for version6 in (conf / "sip_profiles").glob("*-ipv6.xml"):
        version6.unlink()
    _edit(
        conf / "vars.xml",
        {
            "default_password=1234": f"default_password={secret.phones}",
            "domain=$${local_ip_v4}": f"domain={DOMAIN}",
            "internal_sip_port=5060": f"internal_sip_port={ports.internal}",
            "external_sip_port=5080": f"external_sip_port={ports.external}",
        },
    )
    text = (conf / "vars.xml").read_text()
    text = re.sub(r'cmd="stun-set" data="(external_\w+)=[^"]*"', r'cmd="set" data="\1=127.0.0.1"', text)
    first = '<X-PRE-PROCESS cmd="set" data="local_ip_v4=127.0.0.1"/>'
    (conf / "vars.xml").write_text(text.replace("<include>", f"<include>\n  {first}", 1))
    _edit(
        conf / "autoload_configs" / "event_socket.conf.xml",
        {"ClueCon": secret.esl, 'value="8021"': f'value="{ports.esl}"', 'value="::"': 'value="127.0.0.1"'},
    )
    # WebSocket phones would need a certificate, and ports of their own.
    internal = conf / "sip_profiles" / "internal.xml"
    internal.write_text(re.sub(r'<param name="wss?-binding"[^>]*/>', "", internal.read_text()))
    switch = conf / "autoload_configs" / "switch.conf.xml"
    begin, end = ports.rtp
    settings = f'<param name="rtp-start-port" value="{begin}"/><param name="rtp-end-port" value="{end}"/>'
    switch.write_text(switch.read_text().replace("</settings>", f"{settings}</settings>", 1))


def furnish(music: Path, certificates: Path) -> None:
    """Put a tune where the samples look for music, and keys that spare FreeSWITCH half a minute of making its own."""
    music.mkdir(parents=True, exist_ok=True)
    write_tune(music / "tune.wav", (440, 554, 659))
    certificates.mkdir(parents=True, exist_ok=True)
    for name in ("wss.pem", "dtls-srtp.pem"):
        (certificates / name).write_text(unusable_key())


def _edit(file: Path, changes: Mapping[str, str]) -> None:
    text = file.read_text()
    for before, after in changes.items():
        if before not in text:
            raise NoSamplesError(f"{file} is not as in FreeSWITCH's samples: {before} is not in it")
        text = text.replace(before, after)
    file.write_text(text)
