"""The files that are copied into an installation stand by themselves and open nothing to other machines."""

import xml.etree.ElementTree as ET
from pathlib import Path

from fsqueue.config.check import check_text

CONF = Path(__file__).parents[2] / "conf"


def test_the_event_socket_listens_where_the_sample_connects_and_only_there() -> None:
    root = ET.parse(CONF / "event_socket.conf.xml").getroot()
    params = {param.attrib["name"]: param.attrib["value"] for param in root.iter("param")}
    configuration = check_text((CONF / "fsqueue.toml").read_text(encoding="utf-8"), "x").configuration
    assert configuration is not None
    (switch,) = configuration.switches.values()
    assert (params["listen-ip"], int(params["listen-port"])) == (switch.host, switch.port) == ("127.0.0.1", 8021)
    assert params["apply-inbound-acl"] == "loopback.auto"


def test_no_password_stands_in_the_files() -> None:
    assert "password =" not in (CONF / "fsqueue.toml").read_text(encoding="utf-8")
    assert 'name="password" value="CHANGE-ME"' in (CONF / "event_socket.conf.xml").read_text(encoding="utf-8")


def test_the_readme_names_every_file() -> None:
    text = (CONF / "README.md").read_text(encoding="utf-8")
    assert [
        path.name for path in CONF.iterdir() if path.suffix in {".toml", ".json", ".xml"} and path.name not in text
    ] == []
