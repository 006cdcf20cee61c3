"""What Linux tells of a process: its processor time."""

import os
from pathlib import Path


def cpu_s(pid: int) -> float:
    """Processor seconds used so far, user and system, all threads."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
