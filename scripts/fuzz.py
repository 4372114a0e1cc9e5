"""Fuzzes the targets of tests/fuzz by coverage, and keeps the smallest set of inputs that reaches what was reached.

Exits 0 when nothing was found, 1 when an input broke a promise (it is printed, and belongs into the corpus once mended),
2 on usage, 77 when atheris isn't installed: it isn't among the development tools, since it comes built for a few Pythons only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SKIPPED = 77
INSIDE = "--inside"
"""First argument of the process that fuzzes; what follows is the target's name and libFuzzer's."""

LONGEST = 4096
"""Bytes of an input: what is beyond it is more of the same."""

TOKENS = (
    *(
        "Content-Length: ",
        "Content-Type: ",
        "text/event-json",
        "command/reply",
        "api/response",
        "Reply-Text: ",
        "\\x0a\\x0a",
    ),
    *(
        '{\\"Event-Name\\":\\"',
        '\\",\\"Unique-ID\\":\\"',
        "Caller-Caller-ID-Name",
        "\\\\ud800",
        "ARRAY::",
        "%0D%0A",
        "%0A",
        "%00",
    ),
    *(
        "${system(id)}",
        ":_:",
        ",sofia/",
        "sofia/internal/sip:",
        "error/user_not_registered",
        "fs_path=sip%3A",
        "[a=b]",
        "{a=b}",
    ),
    *("\\x1f", "\\x1b[2J", "\\xe2\\x80\\xa8", "\\xc2\\x9b", "&park()", "bgapi ", "sendmsg ", "^^;", "'", "\\\\"),
    *(
        "[groups.a]\\x0a",
        "[switches.main]\\x0a",
        "[members.a]\\x0a",
        "[numbers.1]\\x0a",
        'unanswered = { action = \\"',
        "wait",
        "forward",
    ),
    *('\\"kind\\":\\"CallOpened\\"', '{\\"v\\":1,\\"seq\\":1,\\"t\\":0,', '\\"rows\\":[', "fsq1|fsqueue|call|"),
)
"""What the fuzzer would take long to come upon by itself, in libFuzzer's dictionary writing."""


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="which ones; all of them unless given")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations; 0 takes one by chance (default 1)")
    parser.add_argument("--list", action="store_true", help="print the targets")
    options = parser.parse_args(arguments)
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - inside, they are to be loaded under the fuzzer's eyes

    if unknown := [name for name in options.targets if name not in TARGETS]:
        parser.error(f"no such target: {', '.join(unknown)}; there are: {', '.join(TARGETS)}")
    if options.list:
        print("\n".join(f"{name}: {(target.__doc__ or '').splitlines()[0]}" for name, target in TARGETS.items()))
        return 0
    try:
        import atheris  # noqa: F401, PLC0415 - not everybody has it
    except ImportError:
        print("atheris is not installed: python -m pip install atheris (CPython 3.11 to 3.13, x86-64)", file=sys.stderr)
        return SKIPPED
    broken = [name for name in options.targets or TARGETS if not _run(name, options.seconds, options.seed)]
    return 1 if broken else 0


def _run(target: str, seconds: int, seed: int) -> bool:
    """Fuzz one target in a process of its own, and keep what is worth it; tell whether nothing was broken."""
    from tests.fuzz import corpus_files  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory(prefix="fsqueue-fuzz-") as name:
        folder = Path(name)
        known, small, found = folder / "known", folder / "small", folder / "found"
        for one in (known, small, found):
            one.mkdir()
        before = corpus_files.read(target)
        for at, data in enumerate(before):
            (known / f"{at:05}").write_bytes(data)
        words = folder / "words"
        words.write_text("".join(f'"{token}"\n' for token in TOKENS))
        flags = [f"-max_len={LONGEST}", f"-dict={words}", f"-artifact_prefix={found}/", "-print_final_stats=1"]
        again = folder / "again"
        again.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {INSIDE} {target} "$0" "$@"\n')
        again.chmod(0o700)
        ended = _atheris(again, known, [*flags, f"-max_total_time={seconds}", f"-seed={seed}"])
        breaking = sorted(found.iterdir())
        if breaking or ended.returncode:
            print(f"{target}: BROKEN by {[one.read_bytes() for one in breaking]}\n{ended.stderr[-4000:]}")
            return False
        _atheris(again, small, ["-merge=1", f"-max_len={LONGEST}", str(known)])
        kept = corpus_files.write(target, [one.read_bytes() for one in small.iterdir()])
        runs = next((line.split()[-1] for line in ended.stderr.splitlines() if "executed_units" in line), "?")
        covered = next((line for line in reversed(ended.stderr.splitlines()) if " cov: " in line), "")
        print(f"{target}: nothing broken in {runs} runs, {seconds} s; {covered.partition(' cov: ')[2].partition(' ')[0]} "
              f"places covered; {kept} inputs kept (were {len(before)})", flush=True)  # fmt: skip
        return True


def _atheris(again: Path, folder: Path, flags: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer; *again* starts this file anew, as libFuzzer does by itself when it puts a corpus together."""
    return subprocess.run(
        [again, folder, *flags], capture_output=True, text=True, errors="replace", check=False, cwd=again.parent
    )


def _fuzz(target: str, arguments: list[str]) -> None:
    """Never returns: libFuzzer ends the process. The first argument is what it starts itself anew by."""
    import atheris  # noqa: PLC0415

    with atheris.instrument_imports(include=["fsqueue"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415
    atheris.Setup(arguments, TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == [INSIDE]:
        _fuzz(sys.argv[2], sys.argv[3:])
    sys.exit(main(sys.argv[1:]))
