"""Hostile names on the embedded switch, through the whole daemon: over sockets, and 500 of them on virtual time."""

from __future__ import annotations

import json

import pytest

from fsqueue.config.check import check_text
from fsqueue.engine.messages import CallOpened
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.switch.quoting import MAX_NAME
from fsqueue.virtual.site import Site
from tests.beside import Done
from tests.contract.freeswitch import DOMAIN
from tests.hostile.run import CONFIG
from tests.hostile.texts import names, numbers

HEAD = '[switches.main]\nhost = "127.0.0.1"\npassword = "x"\n'


@pytest.mark.beside("-m", "tests.hostile", "--callers", "24", "--seed", "3")
def test_over_sockets_nothing_that_a_caller_says_is_anything_but_text(beside: Done) -> None:
    assert beside.code == 0, beside.out + beside.err
    report = json.loads(beside.out)
    assert (report["reached"], report["unchanged"], report["broken"]) == (24, 24, [])
    assert report["outputs"] > 10


def test_500_nasty_names_reach_the_phone_as_the_daemon_was_told_them() -> None:
    found, problems = check_text(HEAD + CONFIG, "hostile.toml")
    assert found is not None, problems
    site = Site(found, 7)
    site.world.phones(PhoneScript(user="1001", domain=DOMAIN, reactions=(Reaction(kind="ignore"),)))
    site.advance(site.now + 5)
    usual: dict[str, set[str]] = {}
    said = [("Ala", "600100200"), *zip(names(7, 500, raw=True), numbers(7, 500), strict=True)]
    for name, number in said:
        site.world.call(CallerScript(number=number, name=name, to="7001", patience=1.0))
        site.advance(site.now + 0.8)
        for leg in site.world.legs.values():
            # A channel's variables are those that an ordinary call gives it, whatever the caller says.
            assert set(leg.variables) <= usual.setdefault(leg.direction, set(leg.variables)), name
        assert set(usual) == {"inbound", "outbound"}
        site.advance(site.now + 2.2)
    told = [record.caller for record, _ in site.disk.records() if isinstance(record, CallOpened)]
    shown = [seen.detail for seen in site.world.sightings if seen.what == "ringing"]
    assert len(told) == len(shown) == 501
    for caller, text in zip(told, shown, strict=True):
        wanted = f"[g0] {caller.name or caller.number}"[:MAX_NAME].replace('"', "'").replace("\\", "\\\\")
        assert text == wanted
    assert site.daemon is not None
    assert site.daemon.troubles == []
    assert not site.world.legs
