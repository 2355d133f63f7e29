"""What the figures were measured on. They mean nothing without it."""

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path

from redis import Redis

from sync.devtools.bench.load import generator_name
from sync.devtools.bench.servers import Database, redis_figures, version

LIBRARIES = ("flask", "gunicorn", "psycopg", "redis", "rq", "sqlalchemy", "uvicorn", "uvloop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    cores: int
    processor: str
    memory_megabytes: int
    system: str
    # How busy the machine was with other things when the run began: figures of a busy one are too low.
    load_average: float
    load_generator: str
    versions: dict[str, str]


def describe_machine(redis_url: str, databases: Sequence[Database]) -> Machine:
    """Return a description of this machine and of what runs on it."""
    with Redis.from_url(redis_url) as client:
        server = redis_figures(client, "server")
        # Valkey calls itself the Redis that it is compatible with, and its own version beside.
        own = {"valkey-server": server["valkey_version"]} if "valkey_version" in server else {}
        versions = {"python": platform.python_version()} | (own or {"redis-server": server["redis_version"]})
    versions |= {database.name: version(database) for database in databases}
    return Machine(
        cores=_cores(),
        processor=_processor(),
        memory_megabytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000,
        system=f"{platform.system()} {platform.release()}",
        load_average=round(os.getloadavg()[0], 2),
        load_generator=generator_name(),
        versions=versions | {name: version_of(name) for name in LIBRARIES},
    )


def _cores() -> int:
    """Return the cores that we may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    processors = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", processors.read_text()) if processors.exists() else None
    return model[1] if model else platform.processor() or platform.machine()
