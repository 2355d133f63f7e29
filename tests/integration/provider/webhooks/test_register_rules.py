"""Whatever is asked for in whatever order, and however the provider fails: what holds of webhooks at every moment."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from models.database import open_database
from sync.devtools.fake_provider.account import FakeFault
from sync.provider.client import ProviderClient
from sync.provider.errors import ProviderError
from sync.provider.webhooks.register import MayExist, NothingMade, RegisteredWebhook, Registrar
from sync.settings.provider import ProviderSettings
from tests.integration.provider.webhooks.registering import ADDRESS
from tests.support.fake_provider import FakeProvider, fake_provider

POST = "POST /webhooks"
EVENTS = [("*",), ("message.optout",), ("message.failed", "message.optout")]
NOT_DONE = (500, 422, 401, FakeFault.PAGE, FakeFault.CUT, FakeFault.REDIRECT)


@dataclass(frozen=True)
class Step:
    """One run of the command, and how the provider is by then."""

    events: tuple[str, ...]
    again: bool
    fault: int | FakeFault | None
    lists: bool
    deletes: bool


STEPS = st.lists(
    st.builds(
        Step,
        events=st.sampled_from(EVENTS),
        again=st.sampled_from([False, False, True]),
        fault=st.sampled_from([*[None] * 4, *[FakeFault.DONE_THEN_500] * 4, *NOT_DONE]),
        lists=st.booleans(),
        deletes=st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider(sends_test_event=False) as running:
        yield running


def outcome(registrar: Registrar, step: Step) -> RegisteredWebhook | Exception:
    try:
        return registrar.register(ADDRESS, step.events, again=step.again)
    except (ProviderError, MayExist, NothingMade) as error:
        return error


@given(STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_webhook_is_made_twice_unasked_and_none_is_lost(
    provider: FakeProvider, migrated_file: Path, databases_folder: Path, steps: list[Step]
) -> None:
    account = provider.account
    account.webhooks, account.faults = [], {}
    with TemporaryDirectory(dir=databases_folder) as folder:
        file = shutil.copyfile(migrated_file, Path(folder) / "zexa.db")
        engine = open_database(make_url(f"sqlite:///{file}"))
        with ProviderClient(ProviderSettings.read(provider.settings)) as client:
            registrar = Registrar(engine=engine, client=client, api_url=provider.url, last_traffic=lambda: None)
            is_open = False
            for step in steps:
                before, posts = account.webhooks, account.requests[POST]
                account.lists, account.deletes = step.lists, step.deletes
                account.faults.clear()
                if step.fault:
                    account.fail(POST, step.fault)
                result = outcome(registrar, step)
                asked = account.requests[POST] - posts
                # One that delivers goes only once another one delivers in its place.
                assert asked <= 1
                assert account.webhooks or not before
                if is_open and not step.again and not step.lists:
                    assert isinstance(result, MayExist)
                    assert asked == 0
                if isinstance(result, RegisteredWebhook):
                    registration = result.registration
                    (ours,) = [webhook for webhook in account.webhooks if webhook.id == registration.webhook_id]
                    assert (ours.url, ours.events) == (ADDRESS, step.events)
                    # The same question again is answered without a request.
                    account.faults.clear()
                    total = account.requests.total()
                    again = registrar.register(ADDRESS, step.events)
                    assert (again.registration.webhook_id, again.is_new) == (ours.id, False)
                    assert account.requests.total() == total
                is_open = isinstance(result, MayExist)
        engine.dispose()
