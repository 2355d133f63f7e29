"""Work that failed needs somebody until a person has seen it, or the same was done again."""

from datetime import datetime
from typing import Any

from receiver.console.needs import unsettled
from sync.opt_outs.list_tasks import IMPORT
from sync.tasks import TaskRecord, TaskState
from tests.conftest import NOW

REFUSED = {"digests": [], "reason": "refused", "received_until": "2026-06-24T10:00:00+00:00"}


def task(state: TaskState, parameters: dict[str, Any] = REFUSED, **fields: Any) -> TaskRecord:
    of_all: dict[str, Any] = {"id": "1", "kind": "replay_dead_letters", "asked_by": "Ana", "asked_at": NOW}
    of_all |= {"begun_at": NOW, "ended_at": NOW, "steps_done": 0, "steps_total": None, "bookmark": None}
    of_all |= {"outcome": {}, "failure": None, "deaths": 0, "resolved_at": None}
    return TaskRecord(**of_all | fields | {"state": state, "parameters": parameters})


def test_a_failure_that_somebody_saw_needs_nobody() -> None:
    seen, unseen = task(TaskState.FAILED, resolved_at=datetime.now(NOW.tzinfo)), task(TaskState.FAILED)
    assert unsettled([seen, unseen]) == [unseen]


def test_a_later_replay_of_the_same_letters_settles_a_failure_and_nothing_else_does() -> None:
    failed, until = task(TaskState.FAILED), {"received_until": "2026-06-25T10:00:00+00:00"}
    assert unsettled([task(TaskState.DONE, REFUSED | until), failed]) == []
    for other in (task(TaskState.DONE, REFUSED | {"reason": "too_long"}), task(TaskState.CANCELLED)):
        assert unsettled([other, failed]) == [failed]
    assert unsettled([failed, task(TaskState.DONE)]) == [failed]


def test_a_list_of_the_same_length_settles_nothing_nor_does_work_of_which_nothing_is_known() -> None:
    for fields in ({"kind": IMPORT, "parameters": {"bytes": 10}}, {"parameters": {}}):
        failed = task(TaskState.FAILED, **fields)
        assert unsettled([task(TaskState.DONE, **fields), failed]) == [failed]
