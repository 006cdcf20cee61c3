"""What a command's children use is counted, also when nobody but us waits for them."""

import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
# A child that uses 0.6 s while its parent is gone.
ORPHAN = """
import os, sys, time
if os.fork() == 0:
    while time.process_time() < 0.6:
        pass
    os._exit(0)
sys.exit(3)
"""


def test_an_orphan_is_waited_for_and_counted() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.harness.cpu_seconds", sys.executable, "-c", ORPHAN],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 3
    told = re.fullmatch(r"(\d+) s of processor time, \d+ s by the clock\n", ran.stderr)
    assert told is not None, ran.stderr
    assert int(told[1]) >= 1  # 0.6 s, and Python's start, rounded
