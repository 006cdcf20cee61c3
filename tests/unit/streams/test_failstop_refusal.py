"""What a person must put right ends the process with 78 and one line; everything else with 70."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("error", "code", "last"), [("failstop.Refusal('do this')", 78, "do this"), ("ValueError('x')", 70, None)]
)
def test_the_exit_code_of_a_guard(error: str, code: int, last: str | None) -> None:
    program = f"from streams import failstop\nwith failstop.guard('collect'):\n    raise {error}"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == code
    if last is not None:
        assert ended.stderr.splitlines() == [last]
