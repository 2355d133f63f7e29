"""What a look-up takes in the process that asks, for one address and for many, and what scrubbing a long list takes."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.database import disposing, open_database
from sync.devtools.bench.figures import MILLISECONDS, Figure, Target, middle
from sync.devtools.bench.memory import MemoryWatch
from sync.devtools.bench.opted_out import fill, never_opted_out, opted_out
from sync.devtools.bench.servers import Database, empty
from sync.devtools.bench.stage import Bench
from sync.devtools.dev.processes import DevelopmentError
from sync.queue.connection import opened_queue
from sync.settings.environment import RedisSettings
from sync.suppression import Lookup

PART = "suppression"
REGION = "AO"
CALLING_CODE = "+244"
REDIS_SECONDS = 5
WARM_UP_LOOKS = 200
LOOKS = 5_000
# One address in so many has opted out; of a list, every second number is written without its country code.
OPTED_OUT_EVERY = 10
PAUSE_SECONDS = 0.05
MEGABYTE_BYTES = 1_000_000


def measure_check(bench: Bench, database: Database, *, opt_outs: int, addresses: int) -> list[Figure]:
    """Return what looking up one address takes with `opt_outs` in the table, and `addresses` at once."""
    with _filled(bench, database, opt_outs), _opened_lookup(bench, database) as lookup:
        asked_addresses = [_address(number, opt_outs) for number in range(addresses)]
        bench.say(f"{PART}: {database.name}, {LOOKS:,} look-ups of one address")
        for address in asked_addresses[:WARM_UP_LOOKS]:
            lookup.check([address])
        ones = sorted(_seconds(lookup, [asked_addresses[turn % addresses]]) for turn in range(LOOKS))
        bench.say(f"{PART}: {database.name}, a look-up of {addresses:,} addresses")
        many = middle([_seconds(lookup, asked_addresses) for _ in range(bench.rounds)])
    title = f"{database.name}, {opt_outs:,} opt-outs: check of"
    p50, p99 = (ones[int(share * LOOKS) - 1] * MILLISECONDS for share in (0.50, 0.99))
    return [
        Figure(part=PART, name=f"{title} 1 address, p50", value=p50, unit="ms"),
        Figure(part=PART, name=f"{title} 1 address, p99", value=p99, unit="ms", target=Target(at_most=2)),
        Figure(part=PART, name=f"{title} {addresses:,} addresses", value=many, unit="s", target=Target(at_most=10)),
    ]


def measure_scrub(bench: Bench, database: Database, *, rows: int) -> list[Figure]:
    """Return what the command needs to scrub a CSV file of so many rows, with as many opt-outs in the table."""
    with _filled(bench, database, rows):
        file = bench.folder / "list.csv"
        _write_list(file, rows)
        bench.say(f"{PART}: {database.name}, scrubbing {rows:,} rows")
        runs = [_scrub(bench, database, file, rows) for _ in range(bench.rounds)]
    seconds, megabytes = (middle(values) for values in zip(*runs, strict=True))
    title = f"{database.name}, {rows:,} opt-outs: scrub of a CSV file of {rows:,} rows"
    size = file.stat().st_size / MEGABYTE_BYTES
    file.unlink()
    return [
        Figure(part=PART, name=title, value=seconds, unit="s", target=Target(at_most=30), note=f"{size:,.0f} MB"),
        Figure(part=PART, name=f"{title}, memory", value=megabytes, unit="MB", target=Target(at_most=200)),
    ]


@contextmanager
def _filled(bench: Bench, database: Database, opt_outs: int) -> Iterator[None]:
    with disposing(open_database(database.url)) as engine:
        empty(engine)
        bench.say(f"{PART}: {database.name}, filling the table with {opt_outs:,} opt-outs")
        fill(engine, 0, opt_outs)
        yield
        empty(engine)


@contextmanager
def _opened_lookup(bench: Bench, database: Database) -> Iterator[Lookup]:
    with (
        disposing(open_database(database.url, pool_size=1, is_read_only=True, is_tested_first=False)) as engine,
        opened_queue(RedisSettings(url=bench.redis_url, verify_tls=True), seconds=REDIS_SECONDS) as queue,
    ):
        yield Lookup(engine, queue, default_region=REGION)


def _address(number: int, opt_outs: int) -> str:
    is_opted_out = bool(opt_outs) and number % OPTED_OUT_EVERY == 0
    return opted_out(number % opt_outs) if is_opted_out else never_opted_out(number)


def _seconds(lookup: Lookup, addresses: list[str]) -> float:
    """Return how long one look-up took. Raises DevelopmentError if it knew nothing: that would be quick."""
    begun = time.perf_counter()
    answers = lookup.check(addresses)
    seconds = time.perf_counter() - begun
    if answers[0].as_of is None:
        raise DevelopmentError("a look-up was not answered")
    return seconds


def _write_list(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("name", "phone", "city", "note"))
        for number in range(rows):
            address = _address(number, rows)
            phone = address.removeprefix(CALLING_CODE) if number % 2 else address
            writer.writerow((f"Person {number}", phone, "Luanda", 'says "hello", and more'))


def _scrub(bench: Bench, database: Database, file: Path, rows: int) -> tuple[float, float]:
    """Return the seconds and the megabytes that the command took, from its start to its end."""
    outputs = {name: bench.folder / f"list-{name}.csv" for name in ("out", "removed", "invalid")}
    options = [word for name, path in outputs.items() for word in (f"--{name}", str(path))]
    environ = os.environ | {
        "DATABASE_URL": database.url.render_as_string(hide_password=False),
        "REDIS_URL": bench.redis_url,
        "ZEXA_DEFAULT_REGION": REGION,
    }
    command = [sys.executable, "-m", "sync", "opt-outs", "scrub", str(file), "--column", "phone", *options, "--json"]
    begun = time.perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        watch = MemoryWatch({"scrub": process.pid})
        while process.poll() is None:
            watch.sample()
            time.sleep(PAUSE_SECONDS)
        seconds = time.perf_counter() - begun
        assert process.stdout
        output = process.stdout.read()
    if process.returncode or json.loads(output)["removed"]["rows"] != len(range(0, rows, OPTED_OUT_EVERY)):
        raise DevelopmentError("a list was not scrubbed as the table says")
    for path in outputs.values():
        path.unlink()
    resident = watch.resident()
    return seconds, resident["scrub"].peak if resident else 0.0
