"""The client of the provider's API: each failure is one sentence, and no POST is repeated that may have been made."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sync.devtools.dev.embedded import free_port
from sync.devtools.fake_provider.account import FakeFault
from sync.devtools.fake_provider.server import SOMEBODY
from sync.provider import client as client_module
from sync.provider import retries
from sync.provider.client import ProviderClient
from sync.provider.errors import ProviderError, ProviderFailure
from sync.settings.provider import ProviderSettings
from tests.support.doctors import answering
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.tls import tls_front

KEY = "zxk_hunter2"
URL = "https://example.com/webhooks/zexa"
TEMPORARY = (500, 502, 503, 504)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    """A fake one, and a client without patience."""
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(client_module, "ANSWER_SECONDS", 0.3)
    with fake_provider(key=KEY) as running:
        yield running


def asking(address: str, key: str = KEY, *, is_repeated: bool = True) -> ProviderClient:
    settings = ProviderSettings.read({"ZEXA_API_URL": address, "ZEXA_API_KEY": key})
    return ProviderClient(settings, is_repeated=is_repeated)


def failed(address: str, ask: Callable[[ProviderClient], Any], key: str = KEY) -> ProviderError:
    """The error that `ask` ends with; it is one sentence that quotes nobody."""
    with asking(address, key) as client, pytest.raises(ProviderError) as caught:
        ask(client)
    texts = f"{caught.value!s} {caught.value!r} {caught.value.__cause__} {caught.value.__suppress_context__}"
    for private in (KEY, key, SOMEBODY, SOMEBODY[1:], "example.com"):
        assert private not in texts
    assert "\n" not in texts
    assert ": " in str(caught.value) or caught.value.failure is ProviderFailure.NOT_OFFERED
    return caught.value


def register(client: ProviderClient) -> Any:
    return client.create_webhook(URL, ["*"])


def ask_message(client: ProviderClient) -> Any:
    return client.get_message("msg_1")


def test_a_webhook_is_registered_listed_and_deleted(provider: FakeProvider) -> None:
    provider.account.lists = provider.account.deletes = True
    provider.account.sends_test_event = False
    with asking(provider.url) as client:
        made = client.create_webhook(URL, ["message.delivered"])
        assert (made.url, made.events) == (URL, ("message.delivered",))
        assert client.list_webhooks() == [made]
        client.delete_webhook(made.id)
        assert client.list_webhooks() == []


def test_what_the_provider_does_not_offer_is_one_clear_sentence(provider: FakeProvider) -> None:
    listed = failed(provider.url, ProviderClient.list_webhooks)
    deleted = failed(provider.url, lambda client: client.delete_webhook("wh_1"))
    assert {listed.failure, deleted.failure} == {ProviderFailure.NOT_OFFERED}
    assert str(listed) == "the provider does not list webhooks"
    assert str(deleted) == "the provider does not delete webhooks"


def test_an_answer_is_kept_byte_for_byte(provider: FakeProvider) -> None:
    provider.account.messages["msg/1?é"] = {"id": "msg/1?é", "status": "sent", "more": [1, None]}
    with asking(provider.url) as client:
        answer = client.get_message("msg/1?é")
    assert dict(answer.document) == provider.account.messages["msg/1?é"]
    assert b'"more": [1, null]' in answer.body


@pytest.mark.parametrize("message_id", ["", ".", "..", "msg_none"])
def test_an_id_that_the_provider_does_not_know_is_not_found(provider: FakeProvider, message_id: str) -> None:
    assert failed(provider.url, lambda client: client.get_message(message_id)).failure is ProviderFailure.NOT_FOUND


STATUSES = [
    (400, ProviderFailure.INVALID_REQUEST, "400 invalid_request"),
    (401, ProviderFailure.UNAUTHORIZED, "copy one that is valid"),
    (403, ProviderFailure.UNAUTHORIZED, "give it the right"),
    (404, ProviderFailure.REFUSED, "end it with /v1"),
    (418, ProviderFailure.REFUSED, "418"),
    (422, ProviderFailure.VALIDATION_ERROR, "422 validation_error"),
]


@pytest.mark.parametrize(("status", "failure", "reason"), STATUSES)
def test_a_refusal_says_what_to_do_and_is_not_asked_twice(
    provider: FakeProvider, status: int, failure: ProviderFailure, reason: str
) -> None:
    provider.account.fail("POST /webhooks", status)
    error = failed(provider.url, register)
    assert (error.failure, error.may_have_been_done) == (failure, False)
    assert reason in str(error)
    assert provider.account.requests["POST /webhooks"] == 1


def test_a_wrong_key_is_refused_and_appears_nowhere(provider: FakeProvider) -> None:
    error = failed(provider.url, register, key="zxk_another")
    assert error.failure is ProviderFailure.UNAUTHORIZED


UNCLEAR = [
    *((status, ProviderFailure.SERVER_ERROR) for status in TEMPORARY),
    (FakeFault.SILENCE, ProviderFailure.TIMEOUT),
    (FakeFault.CUT, ProviderFailure.BROKEN),
    (FakeFault.PAGE, ProviderFailure.UNREADABLE),
    (FakeFault.DONE_THEN_500, ProviderFailure.SERVER_ERROR),
    (FakeFault.DONE_THEN_SILENCE, ProviderFailure.TIMEOUT),
]


@pytest.mark.parametrize(("fault", "failure"), UNCLEAR)
def test_a_post_that_may_have_been_made_is_never_repeated(
    provider: FakeProvider, fault: int | FakeFault, failure: ProviderFailure
) -> None:
    provider.account.fail("POST /webhooks", fault)
    error = failed(provider.url, register)
    assert (error.failure, error.may_have_been_done) == (failure, True)
    assert provider.account.requests["POST /webhooks"] == 1


def test_a_post_is_repeated_after_429_and_waits_as_asked(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    provider.account.fail("POST /webhooks", 429, 429)
    with asking(provider.url) as client:
        register(client)
    assert waits == [1.0, 1.0]
    assert len(provider.account.webhooks) == 1


@pytest.mark.parametrize("fault", [*TEMPORARY, FakeFault.SILENCE, FakeFault.CUT])
def test_what_is_only_asked_for_is_asked_again(provider: FakeProvider, fault: int | FakeFault) -> None:
    provider.account.messages["msg_1"] = {"status": "sent"}
    provider.account.fail("GET /messages/{id}", fault, fault)
    with asking(provider.url) as client:
        assert ask_message(client).document == {"status": "sent"}


def test_pauses_grow_and_the_number_of_tries_is_bounded(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.5)
    provider.account.fail("GET /messages/{id}", *[500] * 9)
    assert failed(provider.url, ask_message).failure is ProviderFailure.SERVER_ERROR
    assert provider.account.requests["GET /messages/{id}"] == 1 + retries.REPEATS
    assert len(waits) == retries.REPEATS
    assert 0.5 <= waits[0] <= waits[1] <= waits[2] <= waits[3] <= 5


def test_who_wants_no_repetition_has_none(provider: FakeProvider) -> None:
    provider.account.fail("GET /messages/{id}", 429)
    with asking(provider.url, is_repeated=False) as client, pytest.raises(ProviderError) as caught:
        ask_message(client)
    assert (caught.value.failure, caught.value.retry_after_seconds) == (ProviderFailure.RATE_LIMITED, 1)
    assert provider.account.requests["GET /messages/{id}"] == 1


def test_a_wait_that_is_too_long_is_left_to_whoever_asked() -> None:
    with answering(429, **{"Retry-After": "3600"}) as address:
        error = failed(address.replace("/webhooks/zexa", "/v1"), register)
    assert (error.failure, error.retry_after_seconds) == (ProviderFailure.RATE_LIMITED, 3600)
    assert "run it again in 3,600 s" in str(error)


def test_a_redirect_is_named_and_the_key_not_sent_after_it(provider: FakeProvider) -> None:
    provider.account.fail("POST /webhooks", FakeFault.REDIRECT)
    error = failed(provider.url, register)
    assert (error.failure, error.may_have_been_done) == (ProviderFailure.REDIRECT, False)
    assert provider.account.requests.total() == 1


def test_a_certificate_that_nobody_signed_and_a_server_without_tls(provider: FakeProvider) -> None:
    with tls_front(provider.port) as port:
        error = failed(f"https://localhost:{port}/v1", register)
    assert (error.failure, error.may_have_been_done) == (ProviderFailure.TLS, False)
    assert "self-signed certificate" in str(error)
    error = failed(provider.url.replace("http://", "https://"), register)
    assert (error.failure, error.may_have_been_done) == (ProviderFailure.TLS, False)
    assert provider.account.webhooks == []


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("host", ["https://nobody.invalid", "http://127.0.0.1"])
def test_nothing_was_made_if_there_was_no_connection(host: str) -> None:
    error = failed(f"{host}:{free_port()}/v1", register)
    assert (error.failure, error.may_have_been_done) == (ProviderFailure.UNREACHABLE, False)


def test_a_repetition_is_not_told_to_a_terminal(provider: FakeProvider, capfd: pytest.CaptureFixture[str]) -> None:
    provider.account.fail("GET /messages/{id}", FakeFault.CUT)
    failed(provider.url, ask_message)
    assert capfd.readouterr() == ("", "")


def test_the_fake_refuses_what_the_documentation_says(provider: FakeProvider) -> None:
    with asking(provider.url) as client:
        for url, events in (("http://example.com", ["*"]), (URL, ["message.unknown"])):
            with pytest.raises(ProviderError) as caught:
                client.create_webhook(url, events)
            assert caught.value.failure is ProviderFailure.VALIDATION_ERROR
        with pytest.raises(ProviderError) as caught:
            client.create_webhook(URL, [])
    assert caught.value.failure is ProviderFailure.INVALID_REQUEST


def test_the_fake_takes_no_more_than_its_limit(provider: FakeProvider) -> None:
    provider.account.limit_per_second = 3
    provider.account.messages["msg_1"] = {"status": "sent"}
    with asking(provider.url, is_repeated=False) as client:
        answers = [_status(client) for _ in range(20)]
    assert 3 <= answers.count("sent") <= 6
    assert set(answers) == {"sent", ProviderFailure.RATE_LIMITED}


def _status(client: ProviderClient) -> str:
    try:
        return str(ask_message(client).document["status"])
    except ProviderError as error:
        return error.failure
