"""`python -m tests.harness.cpu_seconds COMMAND…`: run a command, and say how much processor time it and what it starts take.

That figure hardly changes when others use the machine, as the time by the clock does. `time` leaves out processes whose parent
has not waited for them: workers that tests fork. Here the kernel gives them to this process when their parent is gone.
"""

import ctypes
import os
import resource
import subprocess
import sys
import time

_PR_SET_CHILD_SUBREAPER = 36  # of <linux/prctl.h>


def main(command: list[str]) -> int:
    """Run the command and wait for all that it has started; its exit code, and the figures on stderr."""
    if not command:
        sys.stderr.write("usage: python -m tests.harness.cpu_seconds COMMAND…\n")
        return 2
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("this kernel gives orphans to nobody but init; the figure would be too small")
    began = time.monotonic()
    process = subprocess.Popen(command)
    code = process.wait()
    took_s = time.monotonic() - began
    try:
        while True:
            os.wait()
    except ChildProcessError:  # none is left
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    sys.stderr.write(f"{used.ru_utime + used.ru_stime:.0f} s of processor time, {took_s:.0f} s by the clock\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
