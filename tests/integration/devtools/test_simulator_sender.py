"""The simulator's HTTP side against a real server: the provider's signature, timeout, retries and patience."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import IO

import click.testing
import pytest
from yarl import URL

from sync.cli import main
from sync.devtools.simulate.counts import SendCounts
from sync.devtools.simulate.report import Run, Summary, as_text, summarise
from sync.devtools.simulate.sender import Plan, Sender
from sync.devtools.simulate.traffic import generate
from sync.events.signature import Verdict, verify
from tests.faults.servers import steady_port
from tests.support.forked import Forked
from tests.support.processes import wait_for

SECRET = b"s3cret"
SOON = (0.01, 0.01, 0.01)
# Without it the events are others in every second.
START = ("--start", "2026-06-24T10:00:00Z")


@dataclass
class Delivered:
    body: bytes
    path: str
    signature: str | None
    content_type: str | None
    at: float


@dataclass
class Receiver:
    """A server that answers the `nth` delivery of a body with `answer(body, nth)`; None: not while the test lasts."""

    answer: Callable[[bytes, int], int | None]
    url: URL = field(default_factory=URL)
    received: list[Delivered] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)
    seen: Counter[bytes] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, request: BaseHTTPRequestHandler) -> int | None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        with self.lock:
            self.seen[body] += 1
            nth = self.seen[body]
            self.received.append(
                Delivered(
                    body=body,
                    path=request.path,
                    signature=request.headers["X-Zexa-Signature"],
                    content_type=request.headers["Content-Type"],
                    at=time.monotonic(),
                )
            )
        return self.answer(body, nth)


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the default of 5, connections made at once wait a second


@contextmanager
def receiving(answer: Callable[[bytes, int], int | None], port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status = receiver.take(self)
            if status is None:
                receiver.is_over.wait(60)
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with Server(("127.0.0.1", port), Handler) as server:
        receiver.url = URL(f"http://127.0.0.1:{server.server_port}/webhooks/zexa")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.is_over.set()
            server.shutdown()
            thread.join()


def bodies(number: int) -> list[bytes]:
    return [delivery.body for delivery in generate(events=number)]


def send(receiver: Receiver, sent: list[bytes], **options: object) -> SendCounts:
    counts = SendCounts()
    plan = Plan(**{"url": receiver.url, "secret": SECRET, "retry_seconds": SOON, **options})
    asyncio.run(Sender(plan, iter(sent), counts).send())
    assert counts.begun == counts.finished == len(sent)
    assert counts.waiting == 0
    return counts


def summary_of(counts: SendCounts, events: int, rate: float = 0) -> Summary:
    start = datetime(2026, 6, 24, 10, tzinfo=UTC)
    run = Run(url="http://127.0.0.1/", events=events, copies=0, seed=1, start=start, rate_per_second=rate)
    return summarise(run, counts)


def simulate(*arguments: str, secret: str | None = "s3cret") -> click.testing.Result:
    return invoke("simulate", *arguments, secret=secret)


def invoke(*arguments: str, secret: str | None = "s3cret") -> click.testing.Result:
    return click.testing.CliRunner(env={"ZEXA_WEBHOOK_SECRET": secret}).invoke(main, arguments)


def test_a_delivery_is_signed_over_its_raw_body():
    sent = bodies(50)
    with receiving(lambda _body, _nth: 200) as receiver:
        counts = send(receiver, sent)
    assert sorted(delivered.body for delivered in receiver.received) == sorted(sent)
    for delivered in receiver.received:
        assert verify(delivered.body, delivered.signature, [SECRET]) is Verdict.GENUINE
        assert delivered.content_type == "application/json"
    assert (counts.accepted, counts.deliveries, counts.retries) == (50, 50, 0)
    assert counts.latencies.count == 50


def test_a_refused_delivery_is_sent_again_until_it_is_accepted():
    sent = bodies(20)
    with receiving(lambda _body, nth: 204 if nth == 3 else 503) as receiver:
        counts = send(receiver, sent)
    assert receiver.seen == dict.fromkeys(sent, 3)
    assert (counts.accepted, counts.retries, counts.given_up) == (20, 40, 0)
    assert counts.refused == {503: 40}


def test_what_three_retries_did_not_bring_home_is_given_up():
    sent = bodies(5)
    with receiving(lambda _body, _nth: 403) as receiver:
        counts = send(receiver, sent)
    assert receiver.seen == dict.fromkeys(sent, 4)
    assert (counts.accepted, counts.retries, counts.given_up) == (0, 15, 5)
    assert not summary_of(counts, 5).is_all_accepted


def test_each_retry_waits_its_own_delay():
    with receiving(lambda _body, _nth: 500) as receiver:
        send(receiver, bodies(1), retry_seconds=(0.05, 0.2, 0.1))
    moments = [delivered.at for delivered in receiver.received]
    for (earlier, later), delay in zip(pairwise(moments), (0.05, 0.2, 0.1), strict=True):
        # The two threads read one clock, but not with the same resolution.
        assert later - earlier >= delay - 0.005


def test_the_delays_and_the_timeout_are_the_providers_unless_changed():
    plan = Plan(url=URL("http://127.0.0.1/"), secret=SECRET)
    assert (plan.timeout_seconds, plan.retry_seconds) == (10, (60, 300, 1800))


def test_a_delivery_that_is_not_answered_in_time_counts_as_failed():
    with receiving(lambda _body, nth: None if nth == 1 else 200) as receiver:
        counts = send(receiver, bodies(3), timeout_seconds=0.2)
    assert (counts.accepted, counts.timed_out, counts.retries) == (3, 3, 3)
    assert counts.latencies.count == 3


def test_a_server_that_is_not_there_counts_as_no_answer():
    with receiving(lambda _body, _nth: 200) as receiver:
        pass
    counts = send(receiver, bodies(2))
    assert (counts.accepted, counts.unanswered, counts.given_up) == (0, 8, 2)
    assert "no answers" in as_text(summary_of(counts, 2))


def test_a_redirect_is_a_refusal_and_is_not_followed():
    with receiving(lambda _body, nth: 307 if nth == 1 else 200) as receiver:
        counts = send(receiver, bodies(3))
    assert counts.refused == {307: 3}
    assert {delivered.path for delivered in receiver.received} == {"/webhooks/zexa"}


def test_what_waits_for_a_retry_holds_no_connection():
    first, *others = sent = bodies(10)
    with receiving(lambda body, nth: 503 if (body, nth) == (first, 1) else 200) as receiver:
        counts = send(receiver, sent, concurrency=1, retry_seconds=(0.5,))
    assert [delivered.body for delivered in receiver.received] == [first, *others, first]
    assert counts.accepted == 10


def test_a_retry_that_is_due_does_not_wait_for_the_end_of_the_stream():
    first = bodies(1)[0]
    sent = bodies(400)
    with receiving(lambda body, nth: 503 if (body, nth) == (first, 1) else 200) as receiver:
        send(receiver, sent, concurrency=1, retry_seconds=(0.0,))
    assert [delivered.body for delivered in receiver.received].index(first, 1) < 10


def test_deliveries_leave_at_the_rate_and_not_faster():
    with receiving(lambda _body, _nth: 200) as receiver:
        counts = send(receiver, bodies(21), rate_per_second=100)
    assert counts.begun_seconds >= 0.2
    summary = summary_of(counts, 21, rate=100)
    assert summary.rate_offered_per_second <= 100
    assert "offered of 100/s asked" in as_text(summary)


def test_a_rate_that_a_slow_server_did_not_allow_is_told():
    def slowly(_body: bytes, _nth: int) -> int:
        threading.Event().wait(0.1)
        return 200

    with receiving(slowly) as receiver:
        counts = send(receiver, bodies(11), rate_per_second=100, concurrency=1)
    # The last was due after 0.1 s and had to wait for ten answers of 0.1 s.
    assert counts.late_seconds_max >= 0.85
    summary = summary_of(counts, 11, rate=100)
    assert summary.rate_offered_per_second < 12
    assert "NOT HELD" in as_text(summary)


def test_the_command_tells_what_it_did():
    with receiving(lambda body, nth: 503 if nth == 1 and len(body) % 2 else 200) as receiver:
        result = simulate(
            *("--events", "200", "--duplicates", "10%", "--shuffle", "--retry-scale", "0.0001", "--json", *START),
            f"127.0.0.1:{receiver.url.port}",
        )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    refused = summary["refused"]["503"]
    assert (summary["events"], summary["copies"], summary["accepted"]) == (200, 20, 220)
    assert (summary["retries"], summary["deliveries"]) == (refused, 220 + refused)
    assert len(receiver.seen) == 200
    assert {delivered.path for delivered in receiver.received} == {"/webhooks/zexa"}
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"] <= summary["latency_ms"]["max"]


def test_the_command_sends_the_events_that_the_generator_gives():
    start = datetime(2026, 6, 24, 10, tzinfo=UTC)
    expected = Counter(delivery.body for delivery in generate(events=100, duplicates=0.2, seed=5, start=start))
    with receiving(lambda _body, _nth: 200) as receiver:
        result = simulate(
            *("--events", "100", "--duplicates", "0.2", "--seed", "5", *START),
            str(receiver.url),
        )
    assert result.exit_code == 0, result.output
    assert receiver.seen == expected


def test_the_command_fails_where_something_was_given_up():
    with receiving(lambda _body, _nth: 403) as receiver:
        result = simulate("--events", "3", "--retry-scale", "0", str(receiver.url))
    assert result.exit_code == 1
    assert "12 with 403" in result.stdout
    assert "given up    3" in result.stdout


def test_the_first_of_several_secrets_signs():
    with receiving(lambda _body, _nth: 200) as receiver:
        result = simulate("--events", "1", str(receiver.url), secret=" new , old")
    assert result.exit_code == 0, result.output
    assert verify(receiver.received[0].body, receiver.received[0].signature, [b"new"]) is Verdict.GENUINE


# Names and addresses that no machine has: if the guard broke, this test must not become what it forbids.
@pytest.mark.parametrize(
    "url",
    [
        "https://zexa.invalid/webhooks/zexa",
        "http://localhost.invalid",
        "http://127.0.0.1@192.0.2.1/",
        "192.0.2.1:8000",
        "http://[2001:db8::1]/",
    ],
)
def test_another_machine_is_refused_in_one_line_unless_asked_for(url: str):
    result = simulate("--events", "1", "--retry-scale", "0", url)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "--allow-remote" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("secret", [None, "", " , "])
def test_no_secret_is_wrong_use_in_one_line(secret: str | None):
    result = simulate(secret=secret)
    assert result.exit_code == 2
    assert "ZEXA_WEBHOOK_SECRET" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--duplicates", "10"],
        ["--duplicates", "-1%"],
        ["--duplicates", "some"],
        ["--duplicates", "nan"],
        ["--kinds", "delivered,opened"],
        ["--kinds", ""],
        ["--events", "0"],
        ["--concurrency", "0"],
        ["--rate", "nan"],
        ["--rate", "-1"],
        ["--retry-scale", "inf"],
        ["--start", "yesterday"],
        ["--start", "9999-12-31T23:00:00-05:00"],
        ["ftp://127.0.0.1/"],
        ["http://127.0.0.1:99999/"],
        ["http://[::1"],
    ],
)
def test_what_cannot_be_meant_is_wrong_use(arguments: list[str]):
    result = simulate(*arguments)
    assert result.exit_code == 2
    assert "Invalid value" in result.stderr


def test_kinds_are_given_by_short_or_full_names():
    with receiving(lambda _body, _nth: 200) as receiver:
        result = simulate("--events", "300", "--kinds", "optout, campaign.completed", *START, str(receiver.url))
    assert result.exit_code == 0, result.output
    names = {json.loads(delivered.body)["event"] for delivered in receiver.received}
    assert names == {"message.optout", "campaign.completed"}


@contextmanager
def running(*arguments: str, stderr: IO[str] | int = subprocess.PIPE) -> Iterator[Forked]:
    environ = os.environ | {"ZEXA_WEBHOOK_SECRET": "s3cret", "TERM": "xterm"}
    command = ["python", "-m", "sync", "simulate", "--json", *arguments]
    process = Forked(command, env=environ, stdout=subprocess.PIPE, stderr=stderr)
    try:
        yield process
    finally:
        process.kill()


def test_ctrl_c_stops_and_tells_what_was_done():
    with receiving(lambda _body, _nth: 503) as receiver, running("--events", "5", str(receiver.url)) as process:
        deadline = time.monotonic() + 60
        while len(receiver.received) < 5:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            receiver.is_over.wait(0.02)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 1, errors
    summary = json.loads(output)
    assert (summary["deliveries"], summary["accepted"], summary["unfinished"]) == (5, 0, 5)
    assert "Traceback" not in errors


def test_it_says_what_it_waits_for_if_nothing_listens_and_goes_on_once_something_does(tmp_path: Path):
    port = steady_port()
    errors = tmp_path / "errors"
    with errors.open("w") as file, running("--events", "5", f"http://127.0.0.1:{port}", stderr=file) as process:
        wait_for(lambda: "\n" in errors.read_text(), seconds=60, what="a line of what it waits for")
        waited = f"nothing listens at http://127.0.0.1:{port}: waiting for it for up to 60 s, Ctrl-C"
        assert errors.read_text().startswith(waited)
        with receiving(lambda _body, _nth: 200, port):
            output, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(output)["accepted"], json.loads(output)["retries"]) == (0, 5, 0)


def test_it_gives_up_in_a_line_if_nothing_comes_to_listen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sync.devtools.simulate.command.WAIT_SECONDS", 0)
    port = steady_port()
    result = simulate(f"http://127.0.0.1:{port}")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == [
        f"Error: nothing listens at http://127.0.0.1:{port}: nothing was sent",
    ]


def test_without_a_url_it_goes_to_the_port_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    with receiving(lambda _body, _nth: 200) as receiver:
        monkeypatch.setenv("PORT", str(receiver.url.port))
        result = simulate("--events", "3")
    assert result.exit_code == 0, result.output
    assert len(receiver.received) == 3


def test_one_event_is_sent_once_signed_and_as_documented():
    with receiving(lambda _body, _nth: 503) as receiver:
        result = invoke("send", "--event", "failed", "--to", "+244912345678", "--json", str(receiver.url))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["refused_with"] == 503
    (delivered,) = receiver.received
    assert verify(delivered.body, delivered.signature, [SECRET]) is Verdict.GENUINE
    document = json.loads(delivered.body)
    assert (document["event"], document["data"]["to"]) == ("message.failed", "+244912345678")


def test_an_event_about_a_message_needs_an_address_and_one_about_a_campaign_does_not():
    assert invoke("send", "--event", "delivered").exit_code == 2
    with receiving(lambda _body, _nth: 200) as receiver:
        assert invoke("send", "--event", "campaign.completed", str(receiver.url)).exit_code == 0
    assert json.loads(receiver.received[0].body)["data"]["campaign_id"].startswith("cmp_")


def test_one_event_to_nobody_is_one_line():
    result = invoke("send", "--event", "sent", f"http://127.0.0.1:{steady_port()}")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "nothing listens at" in result.stderr


def test_a_bar_is_drawn_on_a_terminal_and_never_in_the_output():
    ours, theirs = pty.openpty()
    with receiving(lambda _body, _nth: 200) as receiver:
        with running("--events", "5", str(receiver.url), stderr=theirs) as process:
            output, _ = process.communicate(timeout=60)
        drawn = os.read(ours, 65536).decode()
    os.close(ours)
    os.close(theirs)
    assert "5/5" in drawn
    assert json.loads(output)["accepted"] == 5


def test_no_bar_is_drawn_where_nobody_is_watching():
    with receiving(lambda _body, _nth: 200) as receiver, running("--events", "5", str(receiver.url)) as process:
        output, errors = process.communicate(timeout=60)
    assert errors == ""
    assert json.loads(output)["accepted"] == 5
