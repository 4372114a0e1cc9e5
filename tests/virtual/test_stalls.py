"""What a daemon that was stopped makes of what it has not yet read: unread events come before its own timers."""

from __future__ import annotations

from fsqueue.config import check_text
from fsqueue.engine.messages import CallEnded, OfferOver, Record, Talking
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.switch.talks import UNCONFIRMED_SECONDS
from fsqueue.virtual.site import Site

CONFIG = """
[switches.main]
host = "127.0.0.1"
port = 8021
password = "ClueCon"
[telephony]
domain = "lab"
[members.anna]
dial = "user/1001@lab"
[groups.sales]
extension = "7001"
members = ["anna"]
"""


class Office:
    """One caller, one member's phone, and a daemon that is stopped."""

    def __init__(self, reaction: Reaction, *, talk: float = 60.0) -> None:
        checked = check_text(CONFIG, "stalls.toml")
        assert checked.configuration is not None
        self.site = Site(checked.configuration, 1)
        self.site.world.phones(PhoneScript(user="1001", domain="lab", reactions=(reaction,)))
        self.go(5.0)
        self.site.world.call(CallerScript(number="5551", name="Ewa", to="7001", talk=talk))

    def go(self, seconds: float) -> None:
        self.site.advance(self.site.now + seconds)

    def until_asked_to_bridge(self) -> None:
        """Go on to the moment at which uuid_bridge is out and nobody has confirmed it."""
        daemon = self.site.daemon
        assert daemon is not None
        for _ in range(100_000):
            if any(talk.phase == "asked" for talk in daemon.core._talks.by_offer.values()):
                return
            self.go(0.001)
        raise AssertionError("no bridge was asked for")

    def stopped(self, seconds: float) -> None:
        """SIGSTOP, so many seconds, SIGCONT."""
        daemon = self.site.daemon
        assert daemon is not None
        daemon.stop()
        self.go(seconds)
        daemon.go_on()

    def records(self, kind: type[Record]) -> list[Record]:
        return [record for record, _ in self.site.disk.records() if isinstance(record, kind)]


def test_a_bridge_whose_confirmation_is_unread_has_not_failed() -> None:
    office = Office(Reaction(after=2.0))
    office.until_asked_to_bridge()
    office.stopped(UNCONFIRMED_SECONDS + 5.0)
    office.go(5.0)
    assert len(office.records(Talking)) == 1
    assert [over.outcome for over in office.records(OfferOver) if isinstance(over, OfferOver)] == []
    office.go(120.0)
    assert [end.reason for end in office.records(CallEnded) if isinstance(end, CallEnded)] == ["answered"]


def test_a_bridge_that_nothing_confirms_is_given_up_after_a_stall_too() -> None:
    office = Office(Reaction(after=2.0, stays=0.05))
    office.until_asked_to_bridge()
    office.stopped(UNCONFIRMED_SECONDS + 5.0)
    office.go(20.0)
    assert office.records(Talking) == []
    assert len(office.records(OfferOver)) >= 1


def test_a_switch_that_never_answers_holds_no_timer_up_for_ever() -> None:
    office = Office(Reaction(after=2.0))
    office.until_asked_to_bridge()
    daemon = office.site.daemon
    assert daemon is not None
    assert daemon.link.wire is not None
    daemon.link.wire.half_open = True
    office.stopped(UNCONFIRMED_SECONDS + 5.0)
    office.go(90.0)
    assert daemon.link.links == 2, "its ping finds the dead link"
    assert not daemon.stalls.catching_up()
