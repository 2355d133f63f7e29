"""The jobs that a worker has in hand, and how many more fit."""

import math
from dataclasses import dataclass, field

from sync.store.apply import Read
from sync.worker.applier import BATCH_BYTES

_GROWTH = 2


@dataclass(slots=True)
class Batch:
    """Jobs in hand, which no list but the intermediate one holds, and what their raw events state.

    `size` is the most events of one transaction.
    """

    size: int
    job_ids: list[str] = field(default_factory=list)
    events: list[Read] = field(default_factory=list)
    body_bytes: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.events) >= self.size or self.body_bytes >= BATCH_BYTES

    @property
    def most_that_fit(self) -> int:
        """How many more jobs to take, by what the jobs in hand hold.

        Jobs behind these may hold far more, so the number grows in steps.
        """
        jobs = max(1, len(self.job_ids))
        by_events = (self.size - len(self.events)) / max(1.0, len(self.events) / jobs)
        by_bytes = (BATCH_BYTES - self.body_bytes) / max(1.0, self.body_bytes / jobs)
        return min(math.ceil(by_events), math.ceil(by_bytes), _GROWTH * jobs)
