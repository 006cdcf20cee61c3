"""Processes under measurement: their processor time, and whether they are ready."""

import os
import urllib.error
import urllib.request
from pathlib import Path

_ANSWER_S = 5.0


def cpu_s(pid: int) -> float:
    """Processor seconds used so far, user and system, all threads."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def is_ready(port: int) -> bool:
    """Whether /readyz of the worker or gateway on this port of 127.0.0.1 says so."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=_ANSWER_S) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
