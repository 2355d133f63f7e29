"""The fake provider delivers as the documentation says: signed, to whoever wants the event, with three retries."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from sync.devtools.fake_provider.account import FakeAccount
from sync.devtools.fake_provider.deliveries import TEST_EVENT
from sync.provider.client import ProviderClient
from sync.settings.provider import ProviderSettings
from tests.support.events_builder import ANA, body
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.processes import SECRET, signature, wait_for

SETTINGS = {"secret": SECRET.encode(), "retry_scale": 0.0001}


@contextmanager
def receiver(*statuses: int) -> Iterator[tuple[str, list[tuple[bytes, str]]]]:
    """Answer with `statuses`, one after the other, then with 200; yield the address and what came, with signatures."""
    answers, came = list(statuses), list[tuple[bytes, str]]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((content, self.headers["X-Zexa-Signature"]))
            self.send_response(answers.pop(0) if answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/webhooks/zexa", came
        server.shutdown()
        thread.join()


def register(provider: FakeProvider, url: str, *events: str) -> str:
    with ProviderClient(ProviderSettings.read(provider.settings)) as client:
        return client.create_webhook(url, events).id


def test_a_registration_brings_a_signed_test_event_that_names_it() -> None:
    with receiver() as (url, came), fake_provider(**SETTINGS) as provider:
        webhook_id = register(provider, url, "*")
        ((content, signed),) = wait_for(lambda: came, seconds=10, what="the test event")
    assert signed == signature(content)
    document = json.loads(content)
    assert (document["event"], document["data"]) == (TEST_EVENT, {"webhook_id": webhook_id})


def test_an_event_goes_to_the_webhooks_that_want_it() -> None:
    with receiver() as (url, came), receiver() as (other, others), fake_provider(**SETTINGS) as provider:
        provider.account.sends_test_event = False
        register(provider, url, "*")
        register(provider, other, "message.optout")
        bodies = [body("message.delivered", message_id="msg_1"), body("message.optout", message_id="msg_1")]
        provider.tell(bodies)
        wait_for(lambda: len(came) == 2 and len(others) == 1, seconds=10, what="the deliveries")
    assert {content for content, _ in came} == set(bodies)
    assert [content for content, _ in others] == bodies[1:]


def test_a_delivery_has_three_retries_and_is_then_lost() -> None:
    with receiver(503, 500, 404, 503) as (url, came), fake_provider(**SETTINGS) as provider:
        register(provider, url, "*")
        wait_for(lambda: len(came) == 4, seconds=10, what="the last retry")
        provider.account.sends_test_event = False
        provider.tell([body("message.delivered", message_id="msg_1")])
        wait_for(lambda: len(came) == 5, seconds=10, what="the next event")
    assert len({content for content, _ in came[:4]}) == 1
    assert b"msg_1" in came[4][0]


def test_what_it_tells_it_answers_too() -> None:
    fields = {"campaign_id": "cmp_1", "to": ANA}
    bodies = [
        body("message.delivered", message_id="msg_1", status="delivered", **fields),
        body("message.optout", message_id="msg_1", status="opted_out", **fields),
        body("message.failed", message_id="msg_2", status="failed", **fields),
        body("campaign.completed", campaign_id="cmp_1", status="completed", messages=2),
    ]
    with fake_provider(**SETTINGS) as provider, ProviderClient(ProviderSettings.read(provider.settings)) as client:
        provider.tell(bodies)
        wait_for(lambda: provider.account.campaigns, seconds=10, what="the events")
        assert client.get_message("msg_1").document["status"] == "delivered"
        campaign = client.get_campaign("cmp_1").document
    assert (campaign["status"], campaign["messages"]) == ("completed", 2)
    assert campaign["counts"] == {"delivered": 1, "failed": 1}


def test_what_is_registered_is_there_again_after_a_restart(tmp_path: Path) -> None:
    account_file = tmp_path / "provider.json"
    with fake_provider(sends_test_event=False, kept_in=account_file) as provider:
        register(provider, "https://example.com/webhooks/zexa", "message.optout")
        before = provider.account.webhooks
    account = FakeAccount(kept_in=account_file)
    account.load()
    assert account.webhooks == before
