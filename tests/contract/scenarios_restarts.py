"""What a daemon that ends, dies or is stopped leaves behind, and what the next one makes of it: nothing is ever lost."""

from __future__ import annotations

from fsqueue.simswitch.people import Reaction
from tests.contract.lab import Lab
from tests.contract.scenarios import ANNA, JAN, SALES, SILENT, at, check, config, phone, scenario
from tests.contract.scenarios_people import ends


@scenario("Drained, fsqueue takes no new calls, brings those there are to their end, and ends itself with exit code 0")
def drained(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.3, talk=4.0)), phone(JAN, SILENT, registered=False))
    talks = lab.call(SALES, number="600100201")
    lab.saw(talks, "connected", peer=at(ANNA))
    waits = lab.call(SALES, number="600100202")
    lab.saw(waits, "music")
    lab.drain_daemon()
    refused = lab.call(SALES, number="600100203")
    lab.saw(refused, "gone", 5.0, detail="NORMAL_TEMPORARY_FAILURE by the switch")
    check(not lab.sightings(refused, "answered"), "the new caller was not answered")
    lab.saw(waits, "connected", 20.0, peer=at(ANNA))
    lab.saw(waits, "gone", 15.0)
    check(lab.daemon_exits(10.0) == 0, "exit code 0")
    found = {end["reason"] for end in ends(lab, 3)}
    check(found == {"answered", "fallback"}, str(found))
