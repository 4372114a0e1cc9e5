"""Every message, as it is printed. A golden file is a configuration, a line of dashes, and what is said of it."""

import ast
import sys
from pathlib import Path

import pytest

from fsqueue.config import digits, relations, shape
from fsqueue.config.check import check_text
from fsqueue.config.problems import Report

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.txt"))
LINE = "-" * 40


def said(text: str) -> str:
    return "".join(f"{problem}\n" for problem in check_text(text, "fsqueue.toml").problems)


def parts(path: Path) -> tuple[str, str]:
    text, _, expected = path.read_text(encoding="utf-8").partition(f"{LINE}\n")
    return text, expected


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_wrong_file_is_told_all_that_is_wrong_with_it(path: Path) -> None:
    text, expected = parts(path)
    assert expected, "a golden file without messages says nothing"
    assert said(text) == expected


def test_every_message_stands_in_a_golden_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place in the code that reports something is reached by one of the files."""
    reached: dict[tuple[str, int], bool] = {}

    def noting(method: str) -> None:
        original = getattr(Report, method)

        def note(self: Report, *arguments: object) -> None:
            frame = sys._getframe(1)
            reached[frame.f_code.co_filename, frame.f_lineno] = True
            original(self, *arguments)

        monkeypatch.setattr(Report, method, note)

    noting("error")
    noting("warning")
    for path in GOLDEN:
        check_text(parts(path)[0], "fsqueue.toml")
    silent = [
        f"{Path(file).name}:{call.lineno}"
        for file in (str(module.__file__) for module in (shape, relations, digits))
        for call in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in {"error", "warning"}
        if not any((file, line) in reached for line in range(call.lineno, (call.end_lineno or call.lineno) + 1))
    ]
    assert silent == []
