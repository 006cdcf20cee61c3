"""bench stands on the tests' harness, and only its own tests stand on bench, so that the others run without it."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[2]
IMPORT = re.compile(r"^\s*(from|import) bench\b", re.MULTILINE)


def test_no_other_test_imports_bench() -> None:
    importing = {file.parent for file in TESTS.rglob("*.py") if IMPORT.search(file.read_text())}
    assert importing == {Path(__file__).parent}
