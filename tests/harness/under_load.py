"""`python -m tests.harness.under_load COMMAND…`: run a command beside two busy loops, and end with its exit code.

On two cores each of its processes gets half of what it gets alone: a test that fails then waits for a clock.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tests.brokers.child import end_with_parent

LOOPS = 2


@contextlib.contextmanager
def busy(loops: int = LOOPS) -> Iterator[list[int]]:
    """So many processes that compute without end, for as long as the context lasts; gives their process ids."""
    command = [*end_with_parent("KILL"), sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command) for _ in range(loops)]
    try:
        yield [one.pid for one in running]
    finally:
        for one in running:
            one.kill()
        for one in running:
            one.wait()


def main(command: list[str]) -> int:
    """Run the command; its exit code."""
    if not command:
        sys.stderr.write("usage: python -m tests.harness.under_load COMMAND…\n")
        return 2
    with busy():
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
