"""Replays dead letters because somebody asked for it in the console: a kind of task, done by a worker."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from sync.dead_letters.replay import Replayed, ReplayPlace, replay
from sync.dead_letters.replay_request import ALREADY_GONE, HELD, selection_of
from sync.store.singly import ItemsHeld
from sync.tasks import TaskFailed, TaskWork

# Few, because workers apply events beside it and wait for the ledger.
LETTERS_PER_PAGE = 50


def replay_letters(work: TaskWork) -> Mapping[str, int]:
    """Replay the letters that were asked for, as `zexa-sync dead-letters replay` does.

    Counts stand in the transactions that replay, so
    workers may be killed and take over as they like. Fails as HELD if known good events fail too.
    """
    selection = selection_of(work.parameters)

    def note(connection: Connection, replayed: Sequence[Replayed], page: str) -> None:
        earlier = place_of(work.bookmark_now(connection))
        digests = {letter.digest for letter in replayed}
        place = ReplayPlace(after=page, done=frozenset(digest for digest in earlier.done | digests if digest > page))
        counts = Counter(letter.verdict.value for letter in replayed)
        work.note(connection, counts, done=len(replayed), bookmark=bookmark_of(place))

    done = work.steps_done
    work.check()
    try:
        for _ in replay(
            work.engine,
            selection,
            options=work.options,
            page_size=LETTERS_PER_PAGE,
            place=place_of(work.bookmark),
            note=note,
        ):
            done += 1
            work.check()
    except ItemsHeld:
        raise TaskFailed(HELD) from None
    return {} if work.steps_total is None else {ALREADY_GONE: max(0, work.steps_total - done)}


def place_of(bookmark: str | None) -> ReplayPlace:
    if bookmark is None:
        return ReplayPlace()
    after, done = json.loads(bookmark)
    return ReplayPlace(after=after, done=frozenset(done))


def bookmark_of(place: ReplayPlace) -> str:
    return json.dumps([place.after, sorted(place.done)])
