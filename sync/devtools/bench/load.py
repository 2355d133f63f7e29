"""Puts load on a web process: with wrk if it is installed, else with the simulator's sender."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

from sync.devtools.bench.sender import Order, SentRequests
from sync.devtools.dev.processes import DevelopmentError, Processes
from sync.devtools.dev.setup import ROOT
from sync.events.signature import sign

# Beyond what was asked: start, last answers and the report.
SPARE_SECONDS = 30
PAUSE_SECONDS = 0.1
RESULT = "zexa-sync bench: "

# wrk keeps the requests ready-made, so that it costs as little as possible on a machine it shares with the server.
SCRIPT = """
local requests, sent, is_once = {}, 0, false

function init(arguments)
  is_once = arguments[2] == "once"
  for line in io.lines(arguments[1]) do
    local signature, body = line:match("^(%x+) (.*)$")
    local headers = {["X-Zexa-Signature"] = signature, ["Content-Type"] = "application/json", AUTHORIZATION}
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  sent = sent + 1
  if sent > #requests then
    if is_once then wrk.thread:stop() end
    sent = 1
  end
  return requests[sent]
end

function done(summary, latency, _)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\\nRESULT{"requests": %d, "refused": %d, "failed": %d, "seconds": %f, "p50_seconds": %f, ' ..
    '"p99_seconds": %f}\\n', summary.requests, errors.status, failed, summary.duration / 1e6,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
""".replace("RESULT", RESULT)

# Requests leave one after another, a fixed time apart, while a connection is free; wrk calls `delay` before each.
PACE = """
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long nanoseconds; } timespec; int clock_gettime(int, timespec *);")
local MONOTONIC, time, begun, paced = jit.os == "OSX" and 6 or 1, ffi.new("timespec"), nil, 0

function delay()
  assert(ffi.C.clock_gettime(MONOTONIC, time) == 0)
  local now = tonumber(time.seconds) * 1000 + tonumber(time.nanoseconds) / 1e6
  begun = begun or now
  local due = begun + paced * 1000 / RATE
  paced = paced + 1
  return math.max(0, math.floor(due - now + 0.5))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """A file of signed bodies, one a line: the signature, a space, the body."""

    path: Path
    secret: str = field(repr=False)
    bytes_mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a load generator saw."""

    accepted: int
    failed: int  # refused, broken or unanswered
    seconds: float
    p50_seconds: float
    p99_seconds: float

    @property
    def per_second(self) -> float:
        return self.accepted / self.seconds

    @property
    def note(self) -> str:
        return f"{self.failed:,} not accepted" if self.failed else ""


def generator_name() -> str:
    return (
        "wrk"
        if shutil.which("wrk")
        else "the simulator's sender (wrk is not on PATH), which takes much of the machine itself"
    )


def sign_bodies(path: Path, bodies: Iterable[bytes], secret: str) -> Bodies:
    """Write `bodies` with their signatures to `path`. No body holds a line break."""
    lengths = []
    with path.open("wb") as file:
        for body in bodies:
            file.write(sign(body, secret.encode()) + b" " + body + b"\n")
            lengths.append(len(body))
    return Bodies(path=path, secret=secret, bytes_mean=sum(lengths) / len(lengths))


def flood_seconds(seconds: float) -> float:
    """Return how long a flood that is to last `seconds` does: wrk takes whole seconds, the sender any time."""
    return max(1, round(seconds)) if shutil.which("wrk") else seconds


def flood(
    processes: Processes,
    bodies: Bodies,
    url: str,
    *,
    connections: int,
    seconds: float,
    rate_per_second: float = 0.0,
    bearer: str = "",
    is_once: bool = False,
    watch: Callable[[], None] = lambda: None,
) -> Load:
    """Send for `seconds` on `connections`, as fast as `url` answers or `rate_per_second` of them.

    With `is_once` each body is sent once at most, with `bearer` as that token's bearer. `watch` is called several
    times a second meanwhile.
    """
    authorization = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    if not shutil.which("wrk"):
        order = Order(
            url=url,
            secret=bodies.secret,
            bodies=str(bodies.path),
            connections=connections,
            rate_per_second=rate_per_second,
            seconds=seconds,
            is_once=is_once,
            headers=authorization,
        )
        return _load(send_beside(processes, order, watch=watch))
    script = bodies.path.with_suffix(".lua")
    script.write_text(_script(authorization, rate_per_second))
    options = [f"-c{connections}", f"-d{flood_seconds(seconds):g}s", "--timeout", "10s", "-s", str(script)]
    words = [url, "--", str(bodies.path), "once" if is_once else "again"]
    return _load_of_wrk(_run_beside(processes, ["wrk", "-t1", *options, *words], "", seconds, watch))


def _script(fields: dict[str, str], rate_per_second: float) -> str:
    """Return what wrk runs, which sends `fields` with each request; as fast as it can if the rate is 0."""
    headers = ", ".join(f'["{name}"] = "{value}"' for name, value in fields.items())
    pace = PACE.replace("RATE", str(rate_per_second)) if rate_per_second else ""
    return SCRIPT.replace("AUTHORIZATION", headers) + pace


def _load_of_wrk(printed: str) -> Load:
    result = json.loads(printed.rpartition(RESULT)[2])
    return Load(
        accepted=result["requests"] - result["refused"],
        failed=result["refused"] + result["failed"],
        seconds=result["seconds"],
        p50_seconds=result["p50_seconds"],
        p99_seconds=result["p99_seconds"],
    )


def _load(sent: SentRequests) -> Load:
    return Load(
        accepted=sent.accepted,
        failed=sent.requests - sent.accepted,
        seconds=sent.seconds,
        p50_seconds=sent.p50_seconds,
        p99_seconds=sent.p99_seconds,
    )


def send_beside(
    processes: Processes, order: Order, *, watch: Callable[[], None], pause_seconds: float = PAUSE_SECONDS
) -> SentRequests:
    """Run the simulator's sender as a process of its own, and `watch` every `pause_seconds` meanwhile."""
    command = [sys.executable, "-m", "sync.devtools.bench.sender"]
    output = _run_beside(processes, command, json.dumps(asdict(order)), order.seconds, watch, pause_seconds)
    return SentRequests(**json.loads(output))


def _run_beside(
    processes: Processes,
    command: list[str],
    text: str,
    seconds: float,
    watch: Callable[[], None],
    pause_seconds: float = PAUSE_SECONDS,
) -> str:
    """Run `command` to its end beside `processes`, and return what it printed."""
    with TemporaryFile("w+") as input_file, TemporaryFile("w+") as output_file:
        input_file.write(text)
        input_file.seek(0)
        running = subprocess.Popen(  # noqa: S603 - wrk, or a module of this project
            command, cwd=ROOT, stdin=input_file, stdout=output_file, start_new_session=True
        )

        def has_ended() -> bool:
            watch()
            return running.poll() is not None

        try:
            in_time = processes.wait_until(has_ended, seconds=seconds + SPARE_SECONDS, pause_seconds=pause_seconds)
        finally:
            running.kill()
            running.wait()
        if not in_time or running.returncode:
            raise DevelopmentError(f"the load generator {command[0]} failed or did not end")
        output_file.seek(0)
        return output_file.read()
