"""Every input that coverage-guided fuzzing kept, played through what it was found for."""

from __future__ import annotations

import pytest

from tests.fuzz import corpus_files
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_each_kept_input_keeps_what_its_target_promises(target: str) -> None:
    inputs = corpus_files.read(target)
    assert inputs, "scripts/fuzz keeps what it finds"
    for data in inputs:
        TARGETS[target](data)


def test_the_corpus_has_no_file_without_a_target() -> None:
    assert {path.stem for path in corpus_files.FOLDER.glob("*.txt")} == set(TARGETS)
