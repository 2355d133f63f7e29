"""Watches the memory and the processor time of processes under load. Only on systems that have /proc."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PAUSE_SECONDS = 0.5
MEGABYTE_KILOBYTES = 1000_000 / 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """Resident megabytes (10^6 bytes) of one process; `peak` since its start."""

    at_start: float
    at_middle: float
    at_end: float
    peak: float


class MemoryWatch:
    """Takes a sample of each process whenever it is asked to, but not too often."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids if PROC.joinpath("self/status").exists() else {}
        self._samples: list[dict[str, tuple[float, float]]] = []
        self._last = 0.0

    def sample(self) -> None:
        if time.monotonic() - self._last >= PAUSE_SECONDS:
            self._last = time.monotonic()
            self._samples.append({name: _resident(pid) for name, pid in self._pids.items()})

    def resident(self) -> dict[str, Resident]:
        """Return what the samples tell of each process."""
        if not self._samples:
            return {}
        start, middle, end = (self._samples[index] for index in (0, len(self._samples) // 2, -1))
        return {
            name: Resident(at_start=start[name][0], at_middle=middle[name][0], at_end=end[name][0], peak=end[name][1])
            for name in self._pids
        }


def _resident(pid: int) -> tuple[float, float]:
    """Return what is resident of `pid` now, and what was at most, in megabytes."""
    status = (PROC / str(pid) / "status").read_text()
    now, most = (re.search(rf"{name}:\s+(\d+) kB", status) for name in ("VmRSS", "VmHWM"))
    return (int(now[1]) / MEGABYTE_KILOBYTES if now else 0.0, int(most[1]) / MEGABYTE_KILOBYTES if most else 0.0)


def resident_megabytes(pid: int) -> float | None:
    """Return what is resident of `pid` now; None if unknown."""
    return _resident(pid)[0] if (PROC / str(pid) / "status").exists() else None


def processor_seconds(pid: int) -> float | None:
    """Return how many seconds of a processor `pid` has taken since its start, all threads together; None if unknown."""
    stat = PROC / str(pid) / "stat"
    if not stat.exists():
        return None
    # The name of the command, in brackets, may hold blanks.
    fields = stat.read_text().rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def child_of(pid: int) -> int:
    """Return the first process that `pid` started, such as the one that serves for gunicorn's master; else `pid`."""
    children = PROC / str(pid) / "task" / str(pid) / "children"
    pids = children.read_text().split() if children.exists() else []
    return int(pids[0]) if pids else pid
