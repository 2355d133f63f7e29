"""`doctor --url` sends a signed probe through the public address, and names the hop where it ends."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import URL

from sync.devtools.dev.embedded import free_port
from tests.support.doctors import Installation, answering, assert_first, installation
from tests.support.processes import ROOT, wait_for
from tests.support.tls import tls_front


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("doctor")) as ours:
        yield ours


def test_a_probe_is_followed_to_its_row_in_the_ledger(house: Installation) -> None:
    answer = house.doctor("--url", house.address)
    assert answer.exit_code == 0
    assert answer.status("probe") == "ok"
    assert "and in the ledger" in answer.check("probe")["found"]


# Hops


def test_a_host_without_an_address(house: Installation) -> None:
    answer = house.doctor("--url", "https://nobody.invalid/webhooks/zexa")
    assert_first(answer, "probe", "DNS: the name of the host has no address", "make the name in DNS")


def test_a_port_that_nothing_listens_on(house: Installation) -> None:
    answer = house.doctor("--url", f"http://127.0.0.1:{free_port()}/webhooks/zexa")
    assert_first(answer, "probe", "connection: the address does not take one (connection refused)", "ZEXA_BIND")


def test_a_certificate_that_nobody_signed(house: Installation) -> None:
    with tls_front(house.platform.port) as port:
        answer = house.doctor("--url", f"https://localhost:{port}/webhooks/zexa")
    assert_first(answer, "probe", "TLS: self-signed certificate", "a certificate that a public authority signed")


def test_a_server_without_tls(house: Installation) -> None:
    answer = house.doctor("--url", house.address.replace("http://", "https://"))
    assert_first(answer, "probe", "TLS: ", "a certificate that a public authority signed")


def test_a_redirect_is_named_and_not_followed(house: Installation) -> None:
    target = house.address.replace("http://", "http://user:secret@") + "?token=secret"
    with answering(308, Location=target) as url:
        answer = house.doctor("--url", url)
    assert_first(answer, "probe", f"redirect: 308 to {house.address};", "enter the URL that it leads to")
    assert "secret@" not in answer.output
    assert "token" not in answer.output


def test_another_secret(house: Installation) -> None:
    answer = house.doctor("--url", house.address, ZEXA_WEBHOOK_SECRET="another secret of the tests")
    assert_first(answer, "probe", "403: web has another secret", "set ZEXA_WEBHOOK_SECRET alike")
    assert "another secret of" not in answer.output


def test_another_path(house: Installation) -> None:
    answer = house.doctor("--url", house.address.replace("/zexa", "/zexas"))
    assert_first(answer, "probe", "404: not the path of the webhook", "end it with /webhooks/zexa")


@pytest.mark.parametrize(
    ("status", "finding", "remedy"),
    [
        (413, "413: a proxy refuses a body of 16,", "client_max_body_size 256k"),
        (502, "502: a proxy answers, and does not reach web", "start web"),
        (503, "503: neither Redis nor the database could store it", "`delivery.not_stored` in web's log"),
        (401, "401: another program than web answers", "see what stands between"),
    ],
)
def test_an_answer_of_another_program(house: Installation, status: int, finding: str, remedy: str) -> None:
    with answering(status) as url:
        assert_first(house.doctor("--url", url), "probe", finding, remedy)


def test_a_page_that_answers_all_requests_with_200_is_no_acknowledgement(house: Installation) -> None:
    with answering(200, b"<h1>Parked</h1>") as url:
        assert_first(house.doctor("--url", url), "probe", "200: another program than web answers", "see what stands")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_address_of_another_installation(house: Installation, migrated_url: URL) -> None:
    answer = house.doctor("--url", house.address, DATABASE_URL=str(migrated_url))
    assert_first(answer, "probe", "and it is in neither store", "the URL leads to another installation")


def test_a_worker_that_stands_still(house: Installation) -> None:
    (worker,) = house.platform.processes[1:2]
    worker.send_signal(signal.SIGSTOP)
    try:
        answer = house.doctor("--url", house.address)
    finally:
        worker.send_signal(signal.SIGCONT)
    assert_first(answer, "probe", "it waits in the queue", "start a worker")
    wait_for(lambda: house.doctor().exit_code == 0, seconds=30, what="the worker going on")


@pytest.mark.parametrize(
    "url", ["example.com/webhooks/zexa", "ftp://example.com", "https://", "https://user:secret@example.com"]
)
def test_a_url_that_cannot_be_one(house: Installation, url: str) -> None:
    answer = house.doctor("--url", url)
    assert_first(answer, "probe", "URL: it ", "such as https://example.com/webhooks/zexa")
    assert "user:secret" not in answer.output


def test_without_a_secret_nothing_is_sent(house: Installation) -> None:
    answer = house.doctor("--url", house.address, ZEXA_WEBHOOK_SECRET="")
    assert_first(answer, "settings", "ZEXA_WEBHOOK_SECRET is not set", "correct it in the environment")
    assert answer.check("probe")["found"] == "it cannot be signed without ZEXA_WEBHOOK_SECRET"


def test_a_person_who_runs_it_sees_the_same(house: Installation) -> None:
    """As a person runs it, in a process of its own."""
    command = [sys.executable, "-m", "sync", "doctor", "--url", house.address]
    environ = house.platform.environ
    process = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout
    assert process.stderr == ""
    assert re.search("^ok       probe              acknowledged within", process.stdout, re.MULTILINE)
    assert f"{house.platform.port}" not in process.stdout
