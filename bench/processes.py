"""What Linux tells of a process: resident memory and processor time."""

import os
from pathlib import Path


def resident_bytes(pid: int | str = "self", field: str = "VmRSS") -> int:
    """Resident memory now; with field "VmHWM" its peak."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise LookupError(f"/proc/{pid}/status has no {field}")


def cpu_s(pid: int) -> float:
    """Processor seconds used so far, user and system, all threads."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
