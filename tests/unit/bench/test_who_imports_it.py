"""bench stands on the tests' harness, and only its own tests stand on bench: it can be changed, or left out, without the others."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[2]


def test_no_other_test_imports_bench() -> None:
    importing = {
        file for file in TESTS.rglob("*.py") if re.search(r"^\s*(from|import) bench\b", file.read_text(), re.MULTILINE)
    }
    assert {file.parent for file in importing} == {Path(__file__).parent}
