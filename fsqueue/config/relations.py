"""Whether what the file says fits together: references, steps, loops, phones, pickup, addresses."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping

from fsqueue.config.digits import check_digits
from fsqueue.config.model import Configuration, Group, Member, identity, user_of_dial
from fsqueue.config.problems import Path, Report, all_of, key_text, nearest, shown
from fsqueue.config.settings import SWITCHES
from fsqueue.engine.model import Forward, Occasion, Step, ToGroup, Wait, plain_number

OCCASIONS: tuple[Occasion, ...] = ("unanswered", "offline", "full", "waited")


def check_relations(configuration: Configuration, report: Report) -> None:
    """Report everything that doesn't fit together."""
    for check in _CHECKS:
        check(configuration, report)


def steps(group: Group) -> Iterator[tuple[Occasion, Step]]:
    """The steps that the file sets for a group; `unanswered` always."""
    for occasion in OCCASIONS:
        step: Step | None = getattr(group, occasion)
        if step is not None:
            yield occasion, step


def _all_steps(configuration: Configuration) -> Iterator[tuple[Path, Step]]:
    for key, group in configuration.groups.items():
        for occasion, step in steps(group):
            yield ("groups", key, occasion), step


def _unknown(word: str, kind: str, known: Mapping[str, object]) -> tuple[str, str]:
    """What to say of a reference to something that isn't there; `kind` is member or group."""
    if meant := nearest(word, known):
        remedy = f"did you mean {shown(meant)}?"
    elif known:
        remedy = f"the {kind}s are {all_of([key_text(key) for key in known])}"
    else:
        remedy = f"there are none yet: add [{kind}s.{word}]"
    return f"there is no {kind} {shown(word)}", remedy


def _members_exist(configuration: Configuration, report: Report) -> None:
    for key, group in configuration.groups.items():
        for member in group.members:
            if member not in configuration.members:
                path = report.item(("groups", key, "members"), member)
                report.error(path, *_unknown(member, "member", configuration.members))


def _targets_exist(configuration: Configuration, report: Report) -> None:
    for path, step in _all_steps(configuration):
        if isinstance(step, Forward) and step.member and step.member not in configuration.members:
            report.error((*path, "member"), *_unknown(step.member, "member", configuration.members))
        if isinstance(step, ToGroup) and step.group not in configuration.groups:
            report.error((*path, "group"), *_unknown(step.group, "group", configuration.groups))


def _numbers_lead_somewhere(configuration: Configuration, report: Report) -> None:
    for key, number in configuration.numbers.items():
        if number.group and number.group not in configuration.groups:
            problem, remedy = _unknown(number.group, "group", configuration.groups)
            report.error(("numbers", key, "group"), f"the number leads nowhere: {problem}", remedy)


def _in_order_ends(configuration: Configuration, report: Report) -> None:
    for key, group in configuration.groups.items():
        path: Path = ("groups", key)
        if group.distribution != "in-order" or not isinstance(group.unanswered, Wait):
            continue
        if report.stands((*path, "unanswered")):
            problem, where = (
                'a call can\'t wait in a group with distribution = "in-order"',
                (*path, "unanswered", "action"),
            )
            remedy = "choose voicemail, forward, group or hangup, or another distribution"
        else:
            problem, where = 'distribution = "in-order" needs the step unanswered', (*path, "distribution")
            remedy = f"add [groups.{key}.unanswered] with the action voicemail, forward, group or hangup"
        report.error(where, problem, remedy)


def _no_loops(configuration: Configuration, report: Report) -> None:
    """Report every step that leads back; walked depth first, in the file's order, each group once."""
    done: dict[str, bool] = {}
    for start in configuration.groups:
        # A stack of its own: a chain may be as long as the file, and Python's is not.
        stack = [] if start in done else [(start, _next_groups(start, configuration))]
        while stack:
            path, target = next(stack[-1][1], (None, ""))
            chain = [key for key, _ in stack]
            if path is None:
                done[stack.pop()[0]] = True
            elif target in chain:
                circle = " → ".join([*chain[chain.index(target) :], target])
                report.error((*path, "group"), f"calls would go in a circle: {circle}", "lead one of them elsewhere")
            elif target not in done:
                stack.append((target, _next_groups(target, configuration)))


def _next_groups(key: str, configuration: Configuration) -> Iterator[tuple[Path, str]]:
    seen: list[str] = []
    for occasion, step in steps(configuration.groups[key]):
        if isinstance(step, ToGroup) and step.group in configuration.groups and step.group not in seen:
            seen.append(step.group)
            yield ("groups", key, occasion), step.group


def _steps_have_means(configuration: Configuration, report: Report) -> None:
    telephony = configuration.telephony
    for path, step in _all_steps(configuration):
        if not isinstance(step, Forward):
            continue
        if step.number and telephony.outbound is None and not report.stands(("telephony", "outbound")):
            remedy = 'set telephony.outbound, such as "sofia/gateway/provider/{number}"'
            report.error((*path, "number"), "nothing says how a number is dialled", remedy)
        missing = telephony.caller_id_number is None and not report.stands(("telephony", "caller_id_number"))
        if step.caller_id == "own" and missing:
            report.error(
                (*path, "caller_id"), "there is no number of our own to show", "set telephony.caller_id_number"
            )


def _forwards_leave(configuration: Configuration, report: Report) -> None:
    """A forward to a number of ours comes back in, and is turned away there (S2)."""
    ours = {plain_number(key): number.group for key, number in configuration.numbers.items()}
    for path, step in _all_steps(configuration):
        group = ours.get(plain_number(step.number)) if isinstance(step, Forward) and step.number else None
        if group is not None:
            remedy = f'write action = "group" and group = {shown(group)}'
            report.error((*path, "number"), "is a number of our own, where the call would come back in", remedy)


def _full_can_happen(configuration: Configuration, report: Report) -> None:
    for key, group in configuration.groups.items():
        if group.full is not None and not report.stands(("groups", key, "max_waiting")):
            report.warning(("groups", key, "full"), "is never taken", "set max_waiting, or take this step out")


def _phones_differ(configuration: Configuration, report: Report) -> None:
    domain = configuration.telephony.domain
    dials: dict[str, str] = {}
    users: dict[str, str] = {}
    for key, member in configuration.members.items():
        if not member.dial:
            continue
        first = dials.setdefault(member.dial, key)
        if first != key:
            report.error(
                ("members", key, "dial"), f"is the same phone as {first}'s{_at(first, report)}", "give each his own"
            )
            continue
        user = identity(member, domain)
        owner = key if user is None else users.setdefault(user, key)
        if owner != key:
            path: Path = ("members", key, "user" if member.user else "dial")
            report.error(path, f"is the same SIP user as {owner}{_at(owner, report)}: {user}", "give each his own")


def _at(member: str, report: Report) -> str:
    return f" (line {report.line(('members', member))})"


def _users_are_whole(configuration: Configuration, report: Report) -> None:
    if configuration.telephony.domain is not None or report.stands(("telephony", "domain")):
        return
    for key, member in configuration.members.items():
        user = member.user or user_of_dial(member.dial)
        if user is not None and "@" not in user:
            prefix = "" if member.user else "user/"
            where: Path = ("members", key, "user" if member.user else "dial")
            remedy = f"write {shown(f'{prefix}{user}@DOMAIN')}, or set telephony.domain"
            report.error(where, f"{shown(prefix + user)} doesn't say in which domain", remedy)


def _users_agree(configuration: Configuration, report: Report) -> None:
    domain = configuration.telephony.domain
    for key, member in configuration.members.items():
        dialled = user_of_dial(member.dial)
        if member.user is None or dialled is None:
            continue
        other = identity(Member(name=key, dial=member.dial), domain)
        if other is not None and identity(member, domain) != other:
            problem = f"says {shown(member.user)}, but dial rings {shown(dialled)}"
            report.warning(("members", key, "user"), problem, "leave it out where dial begins with user/")


def _loopback_fails(configuration: Configuration, report: Report) -> None:
    for key, member in configuration.members.items():
        if "loopback/" in member.dial:
            remedy = "dial the phone itself, such as user/1001@example.com"
            report.warning(
                ("members", key, "dial"), "a phone behind loopback/ is offered L16 only, and such calls fail", remedy
            )


def _pickup_is_possible(configuration: Configuration, report: Report) -> None:
    """A pickup is known by the SIP user who dials the code; a member without one can't pick up."""
    told: list[str] = []
    for key, group in configuration.groups.items():
        known = [name for name in group.members if name in configuration.members]
        nameless = [name for name in known if _is_nameless(name, configuration.members[name], report)]
        if not group.pickup or not nameless:
            continue
        remedy = 'set user = "1001@example.com"'
        if nameless == known:
            problem = "nobody can pick up: nothing says which SIP users the members are"
            report.error(("groups", key, "pickup"), problem, f"{remedy} for {all_of(known)}")
            continue
        for name in nameless:
            if name not in told:
                told.append(name)
                problem = f"can't pick up in {key}: nothing says which SIP user this is"
                report.warning(("members", name), problem, remedy)


def _is_nameless(key: str, member: Member, report: Report) -> bool:
    # One whose dial or user is wrong has been told so already.
    wrong = not member.dial or report.stands(("members", key, "user"))
    return not wrong and user_of_dial(member.dial) is None


def _groups_have_members(configuration: Configuration, report: Report) -> None:
    for key, group in configuration.groups.items():
        if not group.members and not report.stands(("groups", key, "members", 0)):
            remedy = f'add members = ["{next(iter(configuration.members), "anna")}"]'
            report.warning(("groups", key), "has no members, so nobody is rung", remedy)


def _members_are_used(configuration: Configuration, report: Report) -> None:
    used = {name: True for group in configuration.groups.values() for name in group.members}
    for _, step in _all_steps(configuration):
        if isinstance(step, Forward):
            used[step.member] = True
    for key in configuration.members:
        if key not in used:
            report.warning(("members", key), "is in no group, so never rung", "add the id to a group's members")


def _switches_differ(configuration: Configuration, report: Report) -> None:
    if not configuration.switches and not report.stands((SWITCHES.name,)):
        remedy = 'add [switches.main] with host = "127.0.0.1" and password_file'
        report.warning((SWITCHES.name,), "there is none, so no call can come", remedy)
    seen: dict[tuple[str, int], str] = {}
    for key, switch in configuration.switches.items():
        if switch.host:
            first = seen.setdefault((switch.host.lower(), switch.port), key)
            if first != key:
                at = f"{switch.host}:{switch.port}"
                problem = f"is at the same address as {first}: {at}"
                report.error((SWITCHES.name, key, "host"), problem, "keep one of them")


def _doors_are_guarded(configuration: Configuration, report: Report) -> None:
    listen, control = configuration.listen, configuration.control
    _guarded("listen", "dialplan", listen.dialplan, listen.allow, "the switches' networks", report)
    _guarded("control", "tcp", control.tcp or "127.0.0.1:0", control.allow, "the networks of who may ask", report)


def _guarded(table: str, key: str, address: str, allow: tuple[str, ...], whose: str, report: Report) -> None:
    """An address that other machines reach needs a list of those that may."""
    host = address.rpartition(":")[0].strip("[]")
    if not _is_loopback(host) and not allow and not report.stands((table, "allow")):
        problem = f"{shown(address)} can be reached from other machines"
        remedy = f'set allow = ["…"] to {whose}, or listen on 127.0.0.1'
        report.error((table, key), problem, remedy)
    for network in allow:
        if (fault := _network_fault(network)) is not None:
            report.error(report.item((table, "allow"), network), *fault)


def _control_has_tokens(configuration: Configuration, report: Report) -> None:
    control = configuration.control
    files = ("read_tokens_file", "full_tokens_file")
    if control.tcp is None or control.read_tokens_file or control.full_tokens_file:
        return
    if not any(report.stands(("control", name)) for name in files):
        remedy = "name a file of tokens with read_tokens_file or full_tokens_file, or leave tcp out"
        report.error(("control", "tcp"), "would let nobody in: there are no tokens", remedy)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _network_fault(network: str) -> tuple[str, str] | None:
    try:
        ipaddress.ip_network(network)
    except ValueError:
        try:
            wider = ipaddress.ip_network(network, strict=False)
        except ValueError:
            return f"{shown(network)} is no network", "write one such as 10.0.0.0/24, or an address"
        return f"{shown(network)} has an address within the network", f"write {shown(str(wider))}"
    return None


def _contexts_differ(configuration: Configuration, report: Report) -> None:
    telephony = configuration.telephony
    if telephony.context in telephony.entry_contexts:
        path = report.item(("telephony", "entry_contexts"), telephony.context)
        problem = f"{shown(telephony.context)} is telephony.context too"
        report.error(path, problem, "our own extensions need a context of their own")


_CHECKS: tuple[Callable[[Configuration, Report], None], ...] = (
    _switches_differ,
    _doors_are_guarded,
    _control_has_tokens,
    _contexts_differ,
    _members_exist,
    _targets_exist,
    _numbers_lead_somewhere,
    _in_order_ends,
    _no_loops,
    _steps_have_means,
    _forwards_leave,
    _full_can_happen,
    _phones_differ,
    _users_are_whole,
    _users_agree,
    _loopback_fails,
    _pickup_is_possible,
    check_digits,
    _groups_have_members,
    _members_are_used,
)
