"""The order in which the engine's commands are carried out."""

from __future__ import annotations

from fsqueue.engine.messages import Command, Hold, Ring


def rings_first(commands: tuple[Command, ...]) -> list[Command]:
    """Return *commands* with each Ring before the Hold it comes with, and all else in order.

    A hold takes half a dozen messages to the switch, and a phone need not wait for them: nothing of an offer depends on the
    hold until its bridge, which waits for the hold's own word.
    """
    ordered: list[Command] = []
    holds: list[Command] = []
    for command in commands:
        if isinstance(command, Hold):
            holds.append(command)
        else:
            if not isinstance(command, Ring):
                ordered += holds
                holds = []
            ordered.append(command)
    return ordered + holds
