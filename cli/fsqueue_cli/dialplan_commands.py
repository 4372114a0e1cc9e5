"""``fsqueue dialplan``: the XML that this configuration needs in FreeSWITCH."""

from __future__ import annotations

import click

from fsqueue_cli import talk
from fsqueue_cli.exits import Exit, FailedError
from fsqueue_cli.files import Place, read_configuration, reads
from fsqueue_cli.nouns import Verb, dialplan
from fsqueue_cli.shapes import DialplanXml


@dialplan.command("show", cls=Verb, gives=DialplanXml, exits=(Exit.CONFIGURATION_INVALID,))
@click.option(
    "--entry", is_flag=True, help="What goes first into each entry context, instead of the context of our own."
)
@reads
def show_dialplan(place: Place, entry: bool) -> None:
    """Print the XML that hands this configuration's numbers, extensions and codes to fsqueue, and holds its callers.

    Without --entry our own context, to be included beside the site's; with it the lines that lead there.

    Example: fsqueue dialplan show > /etc/freeswitch/dialplan/fsqueue.xml
    """
    # The facts bring the engine and the switch along, which no other command here needs.
    from fsqueue.facts import dialplan_facts
    from fsqueue.switch.dialplan import render, render_entry

    configuration = read_configuration(place)
    try:
        facts = dialplan_facts(configuration)
    except ValueError as error:
        raise FailedError(f"this can't be written as a dialplan: {error}") from error
    done = DialplanXml(
        context=facts.context,
        entry_contexts=facts.entry_contexts,
        context_xml=render(facts),
        entry_xml=render_entry(facts),
    )
    if place.as_json:
        talk.give_json(done)
        return
    talk.give(done.entry_xml if entry else done.context_xml)
