"""`webhooks register`: one webhook for each URL, whatever is killed, refused or asked for at once."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, text

from sync.devtools.dev.embedded import free_port
from sync.devtools.fake_provider.account import FakeFault, FakeWebhook
from sync.events.event import EventType
from sync.provider import client as client_module
from sync.provider import retries
from tests.integration.provider.webhooks.registering import ADDRESS, KEY, webhooks
from tests.support.doctors import spelled
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.forked import Forked
from tests.support.processes import ROOT, wait_for
from tests.support.tls import tls_front

POST = "POST /webhooks"
REGISTER = ("register", "--url", ADDRESS, "--wait", "0")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(client_module, "ANSWER_SECONDS", 0.3)
    with fake_provider(key=KEY, sends_test_event=False) as running:
        yield running


@pytest.fixture
def environ(provider: FakeProvider, migrated_url: URL) -> dict[str, str]:
    return provider.settings | {"DATABASE_URL": spelled(migrated_url)}


def ids(provider: FakeProvider) -> list[str]:
    return [webhook.id for webhook in provider.account.webhooks]


# Ten processes that have loaded everything, so that they are at it at the same time. What is common to them stays so:
# it is neither collected nor taken apart at the end of each.
TEN = """
import gc, os, sys
import sync.provider.webhooks.command
import sync.provider.webhooks.register_command
from sync.cli import main

gc.freeze()

def child():
    pid = os.fork()
    if pid:
        return pid
    try:
        main()
    except SystemExit as end:
        status = end.code
    else:
        status = 1
    sys.stdout.flush()
    os._exit(status or 0)

sys.exit(any([os.waitpid(pid, 0)[1] for pid in [child() for _ in range(10)]]))
"""


def test_ten_processes_at_once_register_one_webhook(provider: FakeProvider, environ: dict[str, str]) -> None:
    command = [sys.executable, "-c", TEN, "webhooks", *REGISTER]
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    lines = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr, len(lines)) == (0, "", 10)
    assert provider.account.requests[POST] == 1
    assert len([line for line in lines if line.startswith("registered: ")]) == 1
    assert all(ids(provider)[0] in line for line in lines)


def test_it_is_made_once_however_often_it_is_asked_for(provider: FakeProvider, environ: dict[str, str]) -> None:
    first = webhooks(environ, *REGISTER)
    assert (first.exit_code, first.output) == (0, f"registered: {ids(provider)[0]}, for all events\n")
    second = webhooks(environ, "register", "--url", "HTTPS://EXAMPLE.com:443/webhooks/zexa", "--wait", "0")
    assert second.exit_code == 0
    assert second.output.startswith("registered since 2")
    other = webhooks(environ, "register", "--url", f"{ADDRESS}?token=hunter2", "--wait", "0")
    assert other.exit_code == 0
    assert provider.account.requests[POST] == 2


def test_a_new_one_is_made_before_the_old_one_is_deleted(provider: FakeProvider, environ: dict[str, str]) -> None:
    provider.account.deletes = True
    webhooks(environ, *REGISTER)
    (old,) = ids(provider)
    provider.account.fail(POST, 500)
    failed = webhooks(environ, *REGISTER, "--event", "message.optout")
    assert failed.exit_code == 1
    assert ids(provider) == [old]
    replaced = webhooks(environ, *REGISTER, "--event", "message.optout", "--again")
    assert (replaced.exit_code, old in ids(provider)) == (0, False)
    assert provider.account.webhooks[0].events == ("message.optout",)
    assert "delete" not in replaced.output


def test_an_old_one_that_cannot_be_deleted_is_left_to_a_person(provider: FakeProvider, environ: dict[str, str]) -> None:
    webhooks(environ, *REGISTER)
    (old,) = ids(provider)
    result = webhooks(environ, *REGISTER, "--again")
    assert result.exit_code == 0
    assert f"takes the place of {old}" in result.output
    assert "delete it in Zexa's dashboard" in result.output
    listed = webhooks(environ, "list")
    assert f"{old} " in listed.output
    assert "replaced: delete it in Zexa's dashboard" in listed.output


@pytest.mark.parametrize("fault", [503, FakeFault.DONE_THEN_500, FakeFault.SILENCE, FakeFault.PAGE, FakeFault.CUT])
def test_one_that_may_exist_is_never_made_twice_unasked(
    provider: FakeProvider, environ: dict[str, str], fault: int | FakeFault
) -> None:
    provider.account.fail(POST, fault)
    first = webhooks(environ, *REGISTER)
    assert first.exit_code == 1
    assert "; one may exist since 2" in first.output
    second = webhooks(environ, *REGISTER)
    assert second.exit_code == 1
    assert "Error: one may exist since 2" in second.output
    assert "run this again with --again" in second.output
    assert provider.account.requests[POST] == 1
    assert webhooks(environ, *REGISTER, "--again").exit_code == 0
    assert webhooks(environ, *REGISTER).exit_code == 0
    assert provider.account.requests[POST] == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("fault", "posts"), [(FakeFault.DONE_THEN_500, 1), (500, 2)])
def test_if_the_provider_lists_what_became_of_it_is_known(
    provider: FakeProvider, environ: dict[str, str], fault: int | FakeFault, posts: int
) -> None:
    provider.account.lists = True
    provider.account.fail(POST, fault)
    first = webhooks(environ, *REGISTER)
    assert first.exit_code == (0 if posts == 1 else 1), first.output
    assert posts == 1 or "nothing was registered, as the provider's list shows" in first.output
    assert webhooks(environ, *REGISTER).exit_code == 0
    assert (provider.account.requests[POST], len(ids(provider))) == (posts, 1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("unlisted", [{"events"}, {"url", "events"}, {"url"}])
def test_a_list_that_leaves_open_what_became_of_it_decides_nothing(
    provider: FakeProvider, environ: dict[str, str], unlisted: set[str]
) -> None:
    provider.account.lists, provider.account.unlisted = True, frozenset(unlisted)
    provider.account.fail(POST, FakeFault.DONE_THEN_500)
    for _ in range(2):
        result = webhooks(environ, *REGISTER, "--event", "message.optout")
        assert (result.exit_code, "one may exist since 2" in result.output) == (1, True), result.output
    assert provider.account.requests[POST] == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_list_that_spells_out_what_a_star_means_decides_nothing(
    provider: FakeProvider, environ: dict[str, str]
) -> None:
    provider.account.fail(POST, 500)
    webhooks(environ, *REGISTER)
    provider.account.lists = True
    spelled_out = FakeWebhook(id="wh_1", url=ADDRESS, events=tuple(EventType), created_at="2026-06-24T10:00:00Z")
    provider.account.webhooks.append(spelled_out)
    assert "one may exist since 2" in webhooks(environ, *REGISTER).output
    provider.account.webhooks.clear()
    assert webhooks(environ, *REGISTER).exit_code == 0


@pytest.mark.parametrize("lists", [False, True])
def test_a_kill_between_the_request_and_its_answer_loses_no_webhook(
    provider: FakeProvider, environ: dict[str, str], lists: bool
) -> None:
    provider.account.fail(POST, FakeFault.DONE_THEN_SILENCE)
    killed = Forked(["python", "-m", "sync", "webhooks", *REGISTER], env=environ)
    wait_for(lambda: provider.account.webhooks, seconds=30, what="the request")
    killed.kill()
    killed.wait(10)
    provider.account.lists = lists
    result = webhooks(environ, *REGISTER)
    if lists:
        assert (result.exit_code, provider.account.requests[POST]) == (0, 1)
        assert ids(provider)[0] in result.output
    else:
        assert result.exit_code == 1
        assert "one may exist since 2" in result.output
        assert webhooks(environ, *REGISTER, "--again").exit_code == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_that_the_dashboard_made_is_found(provider: FakeProvider, environ: dict[str, str]) -> None:
    provider.account.lists = True
    made = FakeWebhook(id="wh_dashboard", url=ADDRESS, events=("*",), created_at="2026-06-24T10:00:00Z")
    provider.account.webhooks.append(made)
    result = webhooks(environ, *REGISTER)
    assert (result.exit_code, result.output) == (0, "the provider has it already: wh_dashboard, for all events\n")
    assert provider.account.requests[POST] == 0


ERRORS = [
    (400, "400 invalid_request"),
    (401, "401 unauthorized"),
    (422, "422 validation_error"),
    (FakeFault.REDIRECT, "leads elsewhere (308)"),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("fault", "sentence"), ERRORS)
def test_a_refusal_is_one_sentence_and_leaves_nothing_behind(
    provider: FakeProvider, environ: dict[str, str], engine: Engine, fault: int | FakeFault, sentence: str
) -> None:
    provider.account.fail(POST, fault)
    result = webhooks(environ, *REGISTER)
    assert result.exit_code == 1
    assert sentence in result.output
    assert result.output.count("\n") == 1
    assert result.output.endswith("; nothing was registered\n")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM webhook_registrations")).scalar() == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_after_429_it_waits_and_goes_on(provider: FakeProvider, environ: dict[str, str]) -> None:
    provider.account.fail(POST, 429)
    assert webhooks(environ, *REGISTER).exit_code == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--url", "http://example.com/webhooks/zexa"), "cloudflared tunnel"),
        (("--url", ADDRESS, "--event", "message.unknown"), "an event is none that Zexa has"),
        (("--url", ADDRESS, "--wait", "nan"), "nan is no number"),
        ((), "Missing option '--url'"),
    ],
)
def test_what_the_api_would_refuse_is_refused_before_it_is_asked(
    provider: FakeProvider, environ: dict[str, str], words: tuple[str, ...], sentence: str
) -> None:
    result = webhooks(environ, "register", *words)
    assert result.exit_code == 2
    assert sentence in result.output
    assert provider.account.requests.total() == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_missing_setting_is_named_before_anything_is_asked(provider: FakeProvider, environ: dict[str, str]) -> None:
    for name in ("ZEXA_API_KEY", "DATABASE_URL"):
        result = webhooks(environ | {name: ""}, *REGISTER)
        assert (result.exit_code, name in result.output) == (2, True)
    result = webhooks(environ, "register", "--url", ADDRESS)
    assert (result.exit_code, "ZEXA_WEBHOOK_SECRET" in result.output) == (2, True)
    assert provider.account.requests.total() == 0


def test_the_list_shows_ours_and_says_whether_the_provider_has_one(
    provider: FakeProvider, environ: dict[str, str]
) -> None:
    assert "No webhook was registered from here." in webhooks(environ, "list").output
    webhooks(environ, "register", "--url", f"{ADDRESS}?token=hunter2", "--event", "message.optout", "--wait", "0")
    listed = webhooks(environ, "list")
    assert listed.exit_code == 0
    assert f"{ADDRESS}?…  message.optout  registered 2" in listed.output
    assert "secret not yet proved" in listed.output
    assert "The provider's list: the provider does not list webhooks." in listed.output
    provider.account.lists = True
    assert "At the provider:" in webhooks(environ, "list").output
    assert '"provider_says": null' in webhooks(environ, "list", "--json").output
    assert webhooks(environ | {"ZEXA_API_KEY": ""}, "list").exit_code == 0
    refused = webhooks(environ | {"ZEXA_API_KEY": "zxk_another"}, "list")
    assert (refused.exit_code, "401 unauthorized" in refused.output) == (1, True)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_api_that_is_not_there_or_proves_nothing_is_one_sentence(
    provider: FakeProvider, environ: dict[str, str]
) -> None:
    absent = webhooks(environ | {"ZEXA_API_URL": f"http://127.0.0.1:{free_port()}/v1"}, *REGISTER)
    with tls_front(provider.port) as port:
        another = webhooks(environ | {"ZEXA_API_URL": f"https://localhost:{port}/v1"}, *REGISTER)
    assert absent.output.startswith("Error: nothing takes a connection at ZEXA_API_URL: ")
    assert another.output.startswith("Error: the certificate at ZEXA_API_URL proves nothing (self-signed certificate")
    for result in (absent, another):
        assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert provider.account.webhooks == []
