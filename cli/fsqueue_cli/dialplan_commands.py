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
    "--entry",
    "part",
    flag_value="entry",
    help="What goes first into each entry context, instead of the context of our own.",
)
@click.option(
    "--document",
    "part",
    flag_value="document",
    help="Our own context as a whole document, for a server that mod_xml_curl asks.",
)
@click.option(
    "--fusionpbx", "part", flag_value="fusionpbx", help="The records that FusionPBX's Dialplan Manager has to have."
)
@reads
def show_dialplan(place: Place, part: str | None) -> None:
    """Print the XML that hands this configuration's numbers, extensions and codes to fsqueue, and holds its callers.

    Without --entry our own context, to be included beside the site's; with it the lines that lead there.

    Example: fsqueue dialplan show > /etc/freeswitch/dialplan/fsqueue.xml
    """
    # The facts bring the engine and the switch along, which no other command here needs.
    from fsqueue.facts import dialplan_facts
    from fsqueue.switch.dialplan import render, render_document, render_entry, render_records

    configuration = read_configuration(place)
    try:
        facts = dialplan_facts(configuration)
    except ValueError as error:
        raise FailedError(f"this can't be written as a dialplan: {error}") from error
    if place.as_json:
        talk.give_json(
            DialplanXml(
                context=facts.context,
                entry_contexts=facts.entry_contexts,
                context_xml=render(facts),
                entry_xml=render_entry(facts),
            )
        )
        return
    shown = {"entry": render_entry, "document": render_document, "fusionpbx": render_records}
    talk.give(shown.get(part or "", render)(facts))
    if part == "fusionpbx" and "@" not in facts.context:
        # Its handler puts the global extensions into each context without an @ (and into public's kin no others).
        talk.say(
            f"note: FusionPBX runs its global dialplans in the context {facts.context} too, between the laps of a hold; set "
            'telephony.context to a name with an @, such as "fsqueue@queues"'
        )
