"""What dialled digits mean: codes, codes with an extension, extensions, numbers. Each must mean one thing only."""

from dataclasses import dataclass

from fsqueue.config.model import Configuration
from fsqueue.config.problems import Path, Report, shown, written
from fsqueue.engine.model import plain_number

CODES = ("pickup_code", "login_code", "logout_code", "pause_code")
HOLD_EXTENSION = "fsqueue-hold"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Digits as they are looked up (N1), what they would do, and where the file says so."""

    digits: str
    words: str
    path: Path


def meanings(configuration: Configuration) -> list[Meaning]:
    """Everything that dialled digits can mean; what is dialled often comes before what can easily be changed."""
    telephony = configuration.telephony
    found = [Meaning(HOLD_EXTENSION, "the extension on which callers wait", ("telephony", "context"))]
    found.append(Meaning(telephony.fallback, "the extension telephony.fallback", ("telephony", "fallback")))
    codes = [(name, getattr(telephony, name)) for name in CODES]
    found += [
        Meaning(plain_number(code), f"telephony.{name}", ("telephony", name))
        for name, code in codes
        if code is not None
    ]
    for key, member in configuration.members.items():
        if member.extension:
            path: Path = ("members", key, "extension")
            found.append(Meaning(plain_number(member.extension), written(path), path))
            both = plain_number(telephony.pickup_code + member.extension)
            found.append(Meaning(both, f"telephony.pickup_code with {written(path)}", path))
    for key, group in configuration.groups.items():
        if group.extension:
            path = ("groups", key, "extension")
            found.append(Meaning(plain_number(group.extension), written(path), path))
    found += [Meaning(plain_number(key), f"the number {shown(key)}", ("numbers", key)) for key in configuration.numbers]
    return found


def check_digits(configuration: Configuration, report: Report) -> None:
    """Report digits that mean nothing, or two things."""
    taken: dict[str, Meaning] = {}
    told: dict[tuple[Path, Path], bool] = {}
    for meaning in meanings(configuration):
        if not meaning.digits:
            report.error(
                meaning.path, "is nothing but the prefix 00, which is dropped", "write what is dialled after it"
            )
            continue
        first = taken.setdefault(meaning.digits, meaning)
        # Who shares an extension shares it with the pickup code before it too: said once.
        if first is not meaning and (first.path, meaning.path) not in told:
            told[first.path, meaning.path] = True
            report.error(*_two_things(first, meaning, report))


def _two_things(first: Meaning, second: Meaning, report: Report) -> tuple[Path, str, str]:
    if first.path[0] == second.path[0] == "numbers":
        problem = f"is the same number as {shown(first.path[1])} (line {report.line(first.path)})"
        return second.path, problem, "keep one of them: a leading + or 00 is dropped"
    at, other = second, first
    if not report.stands(second.path) or (
        report.stands(first.path) and report.line(first.path) > report.line(second.path)
    ):
        at, other = first, second
    where = f" (line {report.line(other.path)})" if report.stands(other.path) else ""
    problem = f"{shown(at.digits)} would mean both {at.words} and {other.words}{where}"
    return at.path, problem, "give one of them other digits"
