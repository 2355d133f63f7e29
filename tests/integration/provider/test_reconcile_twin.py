"""After an outage with lost events asking leaves the statuses of a twin that was never away."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from sync.events.raw import RawEvent
from sync.provider.ask import Asker
from sync.provider.client import ProviderClient
from sync.provider.silent_messages import AskSelection, find_due
from sync.settings.provider import ProviderSettings
from sync.store.apply import apply
from tests.conftest import NOW
from tests.integration.provider.asking import message_answer, statuses
from tests.support.events_builder import ANA, AO, body, clear, minute, patient, raw
from tests.support.fake_provider import FakeProvider
from tests.support.oracle import FINAL, Row, expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message: its events by when they occurred, which of them were lost, and whether an answer tells the time."""

    events: Mapping[int, str]
    lost: frozenset[int]
    tells_time: bool
    number: int = 0

    @property
    def message_id(self) -> str:
        return f"msg_{self.number}"

    def deliveries(self, *, with_lost: bool) -> list[RawEvent]:
        return [
            raw(body(f"message.{status}", minute(at), message_id=self.message_id, to=ANA, channel="sms"))
            for at, status in self.events.items()
            if with_lost or at not in self.lost
        ]

    @property
    def finals(self) -> list[int]:
        return sorted(at for at, status in self.events.items() if f"message.{status}" in FINAL)

    @property
    def answer(self) -> Mapping[str, Any]:
        """What the provider says: how the message ended, or that it is under way."""
        if not self.finals:
            return message_answer(self.message_id, "sent", 30)
        last = self.finals[-1]
        return message_answer(self.message_id, self.events[last], last if self.tells_time else None)

    @property
    def is_to_be_as_the_twin(self) -> bool:
        """Whether its last event was final, and nothing that we have is final but that one."""
        return bool(self.finals) and set(self.finals[:-1]) <= self.lost

    @property
    def is_time_known(self) -> bool:
        return self.tells_time or self.finals[-1] not in self.lost


STATUSES = ["delivered", "failed", "undeliverable", "optout"]
messages = st.lists(
    st.builds(
        lambda events, lost, tells_time: Sent(events=events, lost=lost, tells_time=tells_time),
        st.dictionaries(st.integers(1, 20), st.sampled_from(STATUSES), min_size=1, max_size=3),
        st.frozensets(st.integers(1, 20), min_size=8),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
).map(lambda sent: [Sent(**_fields(message) | {"number": number}) for number, message in enumerate(sent)])


def _fields(sent: Sent) -> dict[str, Any]:
    return {"events": sent.events, "lost": sent.lost, "tells_time": sent.tells_time}


@settings(
    patient,
    max_examples=25,
    suppress_health_check=[*patient.suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(sent=messages)
def test_asking_makes_the_statuses_those_of_a_twin_that_was_never_away(
    engine: Engine, provider: FakeProvider, sent: list[Sent]
) -> None:
    clear(engine)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM asked_messages"))
    received = [delivery for message in sent for delivery in message.deliveries(with_lost=False)]
    apply(engine, received, options=AO, now=NOW)
    before = opt_outs(engine)
    provider.account.messages = {message.message_id: message.answer for message in sent}
    wanted = AskSelection(ids=[message.message_id for message in sent])
    with ProviderClient(ProviderSettings.read(provider.settings)) as client:
        asker = Asker(engine, client, options=AO, rate=1000)
        assert asker.ask(find_due(engine, wanted, datetime.now(UTC)).due)
    everything = [delivery for message in sent for delivery in message.deliveries(with_lost=True)]
    twin = {row["message_id"]: row for row in expected(everything)["message_status"]}
    statuses_after = statuses(engine)
    for message in sent:
        if message.is_to_be_as_the_twin:
            status, status_at = statuses_after[message.message_id]
            wanted_row = twin[message.message_id]
            assert status == wanted_row["status"], message
            assert not message.is_time_known or status_at == wanted_row["status_at"], message
    assert opt_outs(engine) == before


def opt_outs(engine: Engine) -> list[Row]:
    with engine.connect() as connection:
        query = text("SELECT address, channel, sender, opted_out_at, received_at, message_id FROM opt_outs")
        return sorted((dict(row) for row in connection.execute(query).mappings()), key=repr)
