"""What the parts need of a configuration, each in its own words: the legs, and the dialplan."""

from __future__ import annotations

from fsqueue.config.model import Configuration
from fsqueue.config.plan import to_plan
from fsqueue.switch.dialplan import DialplanFacts
from fsqueue.switch.messages import Phone, SwitchFacts


def switch_facts(configuration: Configuration) -> SwitchFacts:
    """Return what the legs of any switch need of a checked configuration."""
    telephony = configuration.telephony
    return SwitchFacts(
        owner=configuration.daemon.owner,
        phones={
            member.id: Phone(member=member.id, dial=member.dial, user=member.user, registers=member.registers)
            for member in to_plan(configuration).members.values()
        },
        answer=telephony.answer,
        music=telephony.music,
        outbound=telephony.outbound or "",
        caller_id_number=telephony.caller_id_number or "",
        caller_id_name=telephony.caller_id_name or "",
        pickup_code=telephony.pickup_code,
        login_code=telephony.login_code or "",
        logout_code=telephony.logout_code or "",
        pause_code=telephony.pause_code or "",
        context=telephony.context,
    )


def dialplan_facts(configuration: Configuration) -> DialplanFacts:
    """Return what the dialplan has to know of a checked configuration."""
    telephony = configuration.telephony
    codes = (telephony.login_code, telephony.logout_code, telephony.pause_code)
    return DialplanFacts(
        owner=configuration.daemon.owner,
        socket=configuration.listen.dialplan,
        context=telephony.context,
        entry_contexts=telephony.entry_contexts,
        numbers=tuple(configuration.numbers),
        extensions=tuple(group.extension for group in configuration.groups.values() if group.extension),
        # Where nobody may pick up, the site's own extension of that code (FreeSWITCH's sample dialplan has a *8) stays in force.
        pickup_code=telephony.pickup_code if any(group.pickup for group in configuration.groups.values()) else "",
        codes=tuple(code for code in codes if code),
        fallback=telephony.fallback,
        music=telephony.music,
        answer=telephony.answer,
        hand_over=telephony.hand_over,
    )
