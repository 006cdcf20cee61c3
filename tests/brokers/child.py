"""Child processes that do not outlive the tests."""

import shutil


def end_with_parent(signal: str) -> list[str]:
    """A command prefix that has the kernel send the child `signal` ("KILL", "TERM") when its parent thread is gone.

    A test run that is killed runs no clean-up: its broker would hold 350 MB until the machine stops. Empty where
    util-linux is not there to ask the kernel.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal] if setpriv else []
