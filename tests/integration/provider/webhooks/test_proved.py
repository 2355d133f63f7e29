"""A registration is proved by a delivery of the provider's that comes through web and worker, and by nothing else."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import make_url

from sync.devtools.dev.embedded import free_port, private_redis
from sync.devtools.fake_provider.running import FakeProvider, fake_provider
from sync.queue.counts import LATEST_KEY, SECRETS_KEY
from tests.integration.provider.webhooks.registering import KEY, webhooks
from tests.support.doctors import answering
from tests.support.events_builder import body
from tests.support.processes import SECRET, Platform, platform, wait_for

SECRETS = f"{SECRET},{SECRET} of tomorrow"


@dataclass(frozen=True)
class Receiving:
    """Web and worker with two secrets, and their Redis."""

    platform: Platform
    redis: Redis

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.platform.port}/webhooks/zexa"

    def environ(self, provider: FakeProvider) -> dict[str, str]:
        names = ("DATABASE_URL", "REDIS_URL", "ZEXA_WEBHOOK_SECRET")
        return provider.settings | {name: self.platform.environ[name] for name in names}


@pytest.fixture(scope="module")
def receiving(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Receiving]:
    folder = tmp_path_factory.mktemp("proved")
    file = shutil.copyfile(migrated_file, folder / "zexa.db")
    with (
        private_redis(folder / "redis", is_durable=False) as server,
        Redis.from_url(server.url) as redis,
        platform(
            folder / "logs", make_url(f"sqlite:///{file}"), server.url, forks=True, ZEXA_WEBHOOK_SECRET=SECRETS
        ) as started,
    ):
        started.start_web()
        started.start_worker()
        wait_for(lambda: redis.zcard(SECRETS_KEY) == 2, seconds=20, what="web saying which secrets it has")
        yield Receiving(started, redis)
        assert KEY not in started.logs()


@pytest.fixture
def fresh(receiving: Receiving) -> Receiving:
    """Nothing was seen yet."""
    receiving.redis.delete(LATEST_KEY)
    return receiving


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider(key=KEY, secret=SECRET.encode(), retry_scale=0.0) as running:
        yield running


def test_the_test_event_proves_it_once_and_for_all(fresh: Receiving, provider: FakeProvider) -> None:
    provider.account.secret = f"{SECRET} of tomorrow".encode()
    words = ("register", "--url", f"{fresh.url}?of=test_event")
    first = webhooks(fresh.environ(provider), *words)
    assert first.exit_code == 0, first.output
    assert re.search(r"^verified with secret 2 of 2 after \d+ ms$", first.output, re.MULTILINE), first.output
    again = webhooks(fresh.environ(provider), *words)
    assert again.exit_code == 0
    assert "already verified: by the test event of 2" in again.output
    assert again.output.endswith(", with secret 2 of 2\n")
    assert provider.account.requests.total() == 2  # whether the provider lists, and the registration
    fewer = fresh.environ(provider) | {"ZEXA_WEBHOOK_SECRET": SECRET}
    assert "already verified" not in webhooks(fewer, *words, "--wait", "0.1").output


def test_a_test_event_that_came_meanwhile_proves_it_later(fresh: Receiving, provider: FakeProvider) -> None:
    words = ("register", "--url", f"{fresh.url}?of=release")
    released = webhooks(fresh.environ(provider), *words, "--wait", "0")
    assert (released.exit_code, "verified" in released.output) == (0, False)
    wait_for(lambda: fresh.redis.zscore(LATEST_KEY, "test"), seconds=10, what="the test event being applied")
    proved = webhooks(fresh.environ(provider), *words)
    assert proved.exit_code == 0
    assert "verified with secret 1 of 2 after " in proved.output


def test_a_delivery_that_another_secret_signed_says_where_the_right_one_is(
    fresh: Receiving, provider: FakeProvider
) -> None:
    provider.account.secret = b"nobody's secret"
    result = webhooks(fresh.environ(provider), "register", "--url", f"{fresh.url}?of=wrong")
    assert result.exit_code == 1
    assert "a delivery came, signed with another secret: copy the secret from Settings, Webhooks" in result.output


def test_without_a_test_event_a_probe_proves_the_way_and_the_first_delivery_the_secret(
    fresh: Receiving, provider: FakeProvider
) -> None:
    provider.account.sends_test_event = False
    words = ("register", "--url", f"{fresh.url}?of=none", "--wait", "0.2")
    first = webhooks(fresh.environ(provider), *words)
    assert first.exit_code == 0, first.output
    assert "no test event came within 200 ms; Zexa documents one only for" in first.output
    assert "our own probe: acknowledged within " in first.output
    assert "Secret not yet proved" in first.output
    assert "Secret not yet proved" in webhooks(fresh.environ(provider), *words).output
    provider.tell([body("message.delivered", message_id="msg_first")])
    wait_for(lambda: fresh.redis.zscore(LATEST_KEY, "traffic"), seconds=10, what="the delivery being applied")
    proved = webhooks(fresh.environ(provider), *words)
    assert proved.exit_code == 0
    assert re.search(r"verified with secret 1 of 2 after .*s, by a delivery$", proved.output, re.MULTILINE)


def test_if_a_new_one_cannot_be_made_the_old_one_still_delivers(fresh: Receiving, provider: FakeProvider) -> None:
    provider.account.deletes, provider.account.sends_test_event = True, False
    words = ("register", "--url", f"{fresh.url}?of=old", "--wait", "0")
    assert webhooks(fresh.environ(provider), *words).exit_code == 0
    provider.account.fail("POST /webhooks", 500)
    assert webhooks(fresh.environ(provider), *words, "--again").exit_code == 1
    provider.tell([body("message.delivered", message_id="msg_of_the_old_one")])
    wait_for(lambda: fresh.redis.zscore(LATEST_KEY, "traffic"), seconds=10, what="the delivery being applied")


def test_an_address_that_nothing_listens_on_is_named(fresh: Receiving, provider: FakeProvider) -> None:
    url = f"http://127.0.0.1:{free_port()}/webhooks/zexa"
    result = webhooks(fresh.environ(provider), "register", "--url", url, "--wait", "0.2")
    assert result.exit_code == 1
    assert "our own probe came no further: connection: the address does not take one" in result.output


def test_an_address_that_redirects_is_named(fresh: Receiving, provider: FakeProvider) -> None:
    with answering(308, Location=f"{fresh.url}?token=hunter2") as url:
        result = webhooks(fresh.environ(provider), "register", "--url", url, "--wait", "0.2")
    assert result.exit_code == 1
    assert f"our own probe came no further: redirect: 308 to {fresh.url};" in result.output


def test_without_redis_no_delivery_is_seen_and_the_probe_decides(fresh: Receiving, provider: FakeProvider) -> None:
    provider.account.sends_test_event = False
    environ = fresh.environ(provider) | {"REDIS_URL": f"redis://127.0.0.1:{free_port()}"}
    result = webhooks(environ, "register", "--url", f"{fresh.url}?of=redis")
    assert result.exit_code == 0
    assert "Redis does not answer" in result.output
    assert "Secret not yet proved" in result.output
