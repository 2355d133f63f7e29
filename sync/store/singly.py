"""All together, and if that fails one by one: so that one event stops no other, and no bug of zexa-sync loses any.

An item is refused only if the fault is its own. Then a known good event of its type succeeds, or another one of its
type did just now. If neither does, the fault is in this program or in the database, and the item is held, not refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy.exc import DBAPIError

from models.errors import Fault, error_kind, fault_of
from sync.events.event import EventType

Item = TypeVar("Item")
Result = TypeVar("Result")


class ItemsHeld(Exception):  # noqa: N818 - a state, not a mistake
    """Known good events fail as well, so nothing was refused. The text is the kind of error and where it was raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Singly(Generic[Item, Result]):
    """How items are merged, and what becomes of one that cannot be.

    `attempt` merges items in a transaction of its own. `refuse` keeps one that is at fault as such, in another.
    `type_of` names the known good event that stands for an item, and `try_known_good` returns what merging it raises.
    """

    attempt: Callable[[Sequence[Item]], Result]
    refuse: Callable[[Item, Exception], Result]
    type_of: Callable[[Item], EventType]
    try_known_good: Callable[[EventType], Exception | None]

    def together(self, items: Sequence[Item], *, is_patient: bool = False) -> list[Result]:
        """Merge `items` in one transaction, or one by one if the fault may lie in one; return the results in order.

        Raises errors of a database that is away. Raises ItemsHeld, or the database's own error, if items are held; the
        others are merged then. If it `is_patient`, errors that may pass are raised too, instead of looking further.
        """
        try:
            return [self.attempt(items)]
        except Exception as error:
            if not may_lie_in_one(error, is_patient=is_patient):
                raise
        return self.one_by_one(items)

    def one_by_one(self, items: Sequence[Item]) -> list[Result]:
        """Merge each of `items` in a transaction of its own, as `together` says."""
        results: dict[int, Result] = {}
        failures: dict[int, Exception] = {}
        working: set[EventType] = set()
        for number, item in enumerate(items):
            try:
                results[number] = self.attempt([item])
                working.add(self.type_of(item))
            except Exception as error:
                if fault_of(error) is Fault.ABSENCE:
                    raise
                failures[number] = error
        held = self._refuse(items, failures, working, results)
        if isinstance(held, DBAPIError):
            raise held
        if held:
            raise ItemsHeld(f"{error_kind(held)} at {_place(held)}")
        return [results[number] for number in sorted(results)]

    def _refuse(
        self,
        items: Sequence[Item],
        failures: dict[int, Exception],
        working: set[EventType],
        results: dict[int, Result],
    ) -> Exception | None:
        """Refuse what is at fault itself; return why the first of the others failed."""
        tried: dict[EventType, Exception | None] = {}
        held = None
        for number, error in failures.items():
            event_type = self.type_of(items[number])
            if event_type not in tried:
                tried[event_type] = self.try_known_good(event_type)
            if tried[event_type] is None or event_type in working:
                results[number] = self.refuse(items[number], error)
            else:
                held = held or error
        return held


def may_lie_in_one(error: Exception, *, is_patient: bool) -> bool:
    """Return whether to look at the items one by one, now that merging all together raised `error`."""
    fault = fault_of(error)
    return fault is not Fault.ABSENCE and not (fault is Fault.UNCERTAIN and is_patient)


def _place(error: Exception) -> str:
    """Return the file and the line that raised `error`, so that a log names the mistake without quoting an event."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if not trace:
        return "unknown"
    path = trace.tb_frame.f_code.co_filename.replace("\\", "/")
    return f"{'/'.join(path.split('/')[-2:])}:{trace.tb_lineno}"
