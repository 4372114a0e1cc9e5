"""The API commands, as `api` and `bgapi` run them, with the switch's own words for what went well and what didn't."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fsqueue.simswitch import bridging, hangups, originate, running
from fsqueue.simswitch.applications import where

if TYPE_CHECKING:
    from fsqueue.simswitch.leg import Leg
    from fsqueue.simswitch.world import World

Say = Callable[[str], None]
"""Gives a command's answer, once, now or later."""

NO_CHANNEL = "-ERR No such channel!\n"
VERSION = "FreeSWITCH Version 1.11.2-dev+embedded~64bit (embedded 64bit)\n"
HASH_USAGE = "-ERR Usage: hash insert|insert_ifempty|select|delete|delete_ifmatch/realm/key[/value]\n"


def run(world: World, text: str, say: Say) -> None:
    """Run a whole command line; `say` gets what the switch answers."""
    name, _, arguments = text.strip().partition(" ")
    if name == "originate":
        _originate(world, arguments, say)
        return
    known = COMMANDS.get(name)
    if known is None:
        say(f"-ERR {name} Command not found!\n")
        return
    # What says nothing at all is answered for by the event socket.
    say(known(world, arguments.strip()) or "-ERR no reply\n")


def ask(world: World, name: str, arguments: str) -> str:
    """Run a function for `${name(arguments)}`: as the command, without what the event socket adds."""
    known = COMMANDS.get(name)
    return known(world, arguments).rstrip("\n") if known is not None else ""


def _originate(world: World, arguments: str, say: Say) -> None:
    order = originate.parse(arguments)
    if order is None:
        say(originate.USAGE)
        return
    originate.for_command(world, order, say)


def _leg_and_rest(world: World, arguments: str) -> tuple[Leg | None, str]:
    uuid, _, rest = arguments.partition(" ")
    return world.legs.get(uuid), rest.strip()


def uuid_bridge(world: World, arguments: str) -> str:
    """Join two legs; +OK promises nothing."""
    words = arguments.split()
    a, b = (world.legs.get(uuid) for uuid in (*words, "", "")[:2])
    if a is None or b is None or a is b:
        return "-ERR Invalid uuid\n"
    bridging.join(world, a, b)
    return f"+OK {b.uuid}\n"


def uuid_kill(world: World, arguments: str) -> str:
    """End a leg with a cause; it is over a moment later."""
    leg, cause = _leg_and_rest(world, arguments)
    if leg is None:
        return NO_CHANNEL
    world.agenda.after(world.timing.kill, lambda: hangups.hang_up(world, leg, cause or "NORMAL_CLEARING"))
    return "+OK\n"


def uuid_transfer(world: World, arguments: str) -> str:
    """Move a leg; lost without an error while he is on his way already."""
    leg, rest = _leg_and_rest(world, arguments)
    if leg is None:
        return NO_CHANNEL
    if not rest:
        return "-USAGE: <uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]\n"
    if not world.on_its_way(leg):
        bridging.leave(world, leg)
        running.move(world, leg, *where(leg, rest))
    return "+OK\n"


def uuid_setvar(world: World, arguments: str) -> str:
    """Set one variable; without a value, unset it."""
    leg, rest = _leg_and_rest(world, arguments)
    name, _, value = rest.partition(" ")
    if not name:
        return "-USAGE: <uuid> <var> [value]\n"
    if leg is None:
        return NO_CHANNEL
    leg.set(name, value.strip())
    return "+OK\n"


def uuid_setvar_multi(world: World, arguments: str) -> str:
    """Set `name=value;name=value`."""
    leg, rest = _leg_and_rest(world, arguments)
    if not rest:
        return "-USAGE: <uuid> <var>=<value>;<var>=<value>...\n"
    if leg is None:
        return NO_CHANNEL
    for part in rest.split(";"):
        name, _, value = part.partition("=")
        leg.set(name.strip(), value)
    return "+OK\n"


def uuid_getvar(world: World, arguments: str) -> str:
    """Return one variable; `_undef_` where there is none."""
    leg, name = _leg_and_rest(world, arguments)
    if leg is None:
        return NO_CHANNEL
    return leg.variables.get(name) or "_undef_"


def uuid_exists(world: World, arguments: str) -> str:
    """Return whether a leg exists."""
    return "true" if arguments in world.legs else "false"


def uuid_dump(world: World, arguments: str) -> str:
    """Return everything about a leg."""
    leg, form = _leg_and_rest(world, arguments)
    if leg is None:
        return NO_CHANNEL
    data = world.data(leg)
    return json.dumps(data) if form == "json" else "".join(f"{k}: {v}\n" for k, v in data.items())


def uuid_broadcast(world: World, arguments: str) -> str:
    """Play something to a leg meanwhile; here only noted."""
    leg, _ = _leg_and_rest(world, arguments)
    return "+OK Message sent\n" if leg is not None else NO_CHANNEL


def uuid_break(world: World, arguments: str) -> str:
    """Break off what a leg plays."""
    leg, _ = _leg_and_rest(world, arguments)
    if leg is None:
        return NO_CHANNEL
    running.interrupt(world, leg)
    return "+OK\n"


def uuid_pre_answer(world: World, arguments: str) -> str:
    """Send early media to a caller."""
    leg, _ = _leg_and_rest(world, arguments)
    if leg is None:
        return NO_CHANNEL
    world.early(leg)
    return "+OK Success\n"


def uuid_answer(world: World, arguments: str) -> str:
    """Answer a caller."""
    leg, _ = _leg_and_rest(world, arguments)
    if leg is None:
        return NO_CHANNEL
    if leg.answer != "answered":
        world.answer(leg)
    return "+OK Success\n"


def uuid_record(world: World, arguments: str) -> str:
    """Begin or stop a recording; here only noted."""
    leg, _ = _leg_and_rest(world, arguments)
    return "+OK Success\n" if leg is not None else "-ERR Cannot locate session!\n"


def uuid_park(world: World, arguments: str) -> str:
    """Park a leg."""
    leg, _ = _leg_and_rest(world, arguments)
    if leg is None:
        return NO_CHANNEL
    if not world.on_its_way(leg):
        bridging.leave(world, leg)
        running.move(world, leg, "park", "inline", leg.context)
    return "+OK\n"


def hash_(world: World, arguments: str) -> str:
    """Read or write the table that all calls share: `insert/REALM/KEY/VALUE`, `select/REALM/KEY`, `delete/REALM/KEY`."""
    verb, _, rest = arguments.partition("/")
    realm, _, rest = rest.partition("/")
    key, _, value = rest.partition("/")
    if not realm or not key or (verb == "insert" and not value):
        return HASH_USAGE
    if verb == "insert":
        world.hash[f"{realm}/{key}"] = value
        return "+OK\n"
    if verb == "select":
        return world.hash.get(f"{realm}/{key}", "")
    if verb == "delete":
        return "+OK\n" if world.hash.pop(f"{realm}/{key}", None) is not None else "-ERR Not found\n"
    return HASH_USAGE


def strepoch(world: World, _arguments: str) -> str:
    """Return the switch's clock in whole seconds."""
    return str(int(world.now + world.clock_ahead))


def create_uuid(world: World, _arguments: str) -> str:
    """Return a new uuid."""
    return world.new_uuid()


def sofia_contact(world: World, arguments: str) -> str:
    """Return where a user is registered."""
    return world.registrar.contacts(arguments.removeprefix("*/"))


def sched_transfer(world: World, arguments: str) -> str:
    """Move a call later."""
    seconds, _, rest = arguments.partition(" ")
    leg, target = _leg_and_rest(world, rest)
    if leg is None:
        return NO_CHANNEL
    world.schedule_move(leg, seconds, where(leg, target))
    return "+OK Added: 1\n"


def sched_hangup(world: World, arguments: str) -> str:
    """End a call later."""
    seconds, _, rest = arguments.partition(" ")
    leg, cause = _leg_and_rest(world, rest)
    if leg is None:
        return NO_CHANNEL
    world.schedule_end(leg, seconds, cause or "ALLOTTED_TIMEOUT")
    return "+OK\n"


def sched_del(world: World, arguments: str) -> str:
    """Take back everything that is scheduled for a call."""
    leg = world.legs.get(arguments)
    if leg is None:
        return "+OK Deleted: 0\n"
    pending = [timer for timer in leg.tasks if timer.act is not None]
    for timer in pending:
        timer.cancel()
    leg.tasks.clear()
    return f"+OK Deleted: {len(pending)}\n"


def eval_(world: World, arguments: str) -> str:
    """Expand a text, in the light of a leg where it begins with `uuid:U`."""
    if arguments.startswith("uuid:"):
        uuid, _, text = arguments.removeprefix("uuid:").partition(" ")
        leg = world.legs.get(uuid)
        # What it expands are the channel's headers, where variables have this prefix.
        if leg is None:
            return NO_CHANNEL
        # The profile's own field, which a variable of that name (ours, for attended transfers) does not hide.
        text = text.replace("${variable_", "${").replace("${Caller-Destination-Number}", leg.destination)
        return world.expand(leg, text)
    return world.expand(None, arguments)


def expand(world: World, arguments: str) -> str:
    """Run a command whose text is expanded first."""
    name, _, rest = eval_(world, arguments).strip().partition(" ")
    return ask(world, name, rest)


def global_getvar(world: World, arguments: str) -> str:
    """Return a global variable."""
    return world.globals.get(arguments, "")


def global_setvar(world: World, arguments: str) -> str:
    """Set a global variable."""
    name, _, value = arguments.partition("=")
    world.globals[name] = value
    return "+OK"


def status(world: World, _arguments: str) -> str:
    """Return how the switch is."""
    up = int(world.now - world.since)
    days, rest = divmod(up, 86400)
    return (
        f"UP 0 years, {days} days, {rest // 3600} hours, {rest // 60 % 60} minutes, {rest % 60} seconds, 0 milliseconds, 0 microseconds\n"
        "FreeSWITCH (Version 1.11.2-dev embedded 64bit) is ready\n"
        f"{world.sessions_since} session(s) since startup\n{len(world.legs)} session(s) - peak {world.peak}, last 5min {world.peak}\n"
        "0 session(s) per Sec out of max 1000, peak 0, last 5min 0\n10000 session(s) max\nmin idle cpu 0.00/99.00\n"
    )


def version(_world: World, _arguments: str) -> str:
    """Return which switch this is."""
    return VERSION


def reloadxml(_world: World, _arguments: str) -> str:
    """Read the dialplan again; it is the same one."""
    return "+OK [Success]\n"


def fsctl(world: World, arguments: str) -> str:
    """Refuse calls (`pause`), take them again (`resume`); other words change nothing here."""
    words = shlex.split(arguments)
    if words[:1] == ["pause"]:
        world.refusing = True
    elif words[:1] == ["resume"]:
        world.refusing = False
    return "+OK\n"


def show(world: World, arguments: str) -> str:
    """List channels, all or those in which some column is `like` a word; the table is a little behind the events."""
    words = arguments.split()
    if words[:1] == ["channels"]:
        rows = [_row(world, leg) for leg in world.table()]
        if words[1:2] == ["count"]:
            return f"\n{len(rows)} total.\n"
        if words[1:2] == ["like"] and len(words) > 2:
            rows = [row for row in rows if any(words[2] in value for value in row.values())]
    elif words[:1] == ["registrations"]:
        rows = world.registrar.rows()
    else:
        return "-USAGE: channels|registrations [like <match string>] [as json]\n"
    if words[-2:] != ["as", "json"]:
        return "".join(",".join(row.values()) + "\n" for row in rows) + f"\n{len(rows)} total.\n"
    if not rows:
        return '{"row_count": 0}\n'
    return json.dumps({"row_count": len(rows), "rows": rows}, separators=(",", ":"), ensure_ascii=False) + "\n"


def _row(world: World, leg: Leg) -> dict[str, str]:
    talking = leg.bridge is not None and leg.bridge.up and leg is leg.bridge.a and leg.bridge.by_command
    other = leg.other
    return {
        "uuid": leg.uuid,
        "direction": leg.direction,
        "created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(leg.created)),
        "created_epoch": str(int(leg.created)),
        "name": leg.name,
        "state": leg.state,
        "cid_name": leg.caller_name,
        "cid_num": leg.caller_number,
        "ip_addr": "127.0.0.1" if leg.direction == "inbound" else "",
        "dest": leg.destination,
        "application": "uuid_bridge" if talking else leg.application,
        "application_data": other if talking else leg.application_data,
        "dialplan": leg.dialplan,
        "context": leg.context,
        "hostname": world.globals["hostname"],
        "presence_id": leg.presence_id,
        # The column keeps what it was when the channel last entered the table; a talk doesn't take it away.
        "presence_data": leg.variables.get("presence_data", ""),
        "callstate": leg.call_state,
        "call_uuid": leg.uuid,
        "initial_cid_name": leg.caller_name,
        "initial_cid_num": leg.caller_number,
        "initial_dest": leg.variables.get("sip_req_user", leg.destination),
    }


COMMANDS: dict[str, Callable[[World, str], str]] = {
    "uuid_bridge": uuid_bridge,
    "uuid_kill": uuid_kill,
    "uuid_transfer": uuid_transfer,
    "uuid_setvar": uuid_setvar,
    "uuid_setvar_multi": uuid_setvar_multi,
    "uuid_getvar": uuid_getvar,
    "uuid_exists": uuid_exists,
    "uuid_dump": uuid_dump,
    "uuid_broadcast": uuid_broadcast,
    "uuid_break": uuid_break,
    "uuid_pre_answer": uuid_pre_answer,
    "uuid_answer": uuid_answer,
    "uuid_record": uuid_record,
    "uuid_park": uuid_park,
    "hash": hash_,
    "strepoch": strepoch,
    "create_uuid": create_uuid,
    "sofia_contact": sofia_contact,
    "sched_transfer": sched_transfer,
    "sched_hangup": sched_hangup,
    "sched_del": sched_del,
    "eval": eval_,
    "expand": expand,
    "global_getvar": global_getvar,
    "global_setvar": global_setvar,
    "status": status,
    "version": version,
    "reloadxml": reloadxml,
    "fsctl": fsctl,
    "show": show,
}
