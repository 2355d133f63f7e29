"""Work in threads is bounded in number and time, whatever becomes of it."""

import asyncio
import os
import sys
from threading import Event, get_native_id

import pytest

from receiver.server.threads import NICENESS, Threads, ThreadsBusy

LATE = 10.0


def test_what_it_returns_and_raises_is_passed_on() -> None:
    def fail() -> None:
        raise ValueError("a mistake")

    threads = Threads("test", most=1)
    assert asyncio.run(threads.run(lambda: 5, seconds=LATE)) == 5
    with pytest.raises(ValueError, match="a mistake"):
        asyncio.run(threads.run(fail, seconds=LATE))


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has no priority of its own")
def test_only_threads_that_give_way_are_nicer_than_their_process() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, get_native_id())

    ours = niceness()
    for gives_way, expected in ((False, ours), (True, max(ours, NICENESS))):
        threads = Threads("test", most=1, gives_way=gives_way)
        assert asyncio.run(threads.run(niceness, seconds=LATE)) == expected
    assert niceness() == ours


def test_work_that_takes_too_long_is_not_waited_for_and_keeps_its_thread_until_it_ends() -> None:
    is_over = Event()

    async def test() -> None:
        threads = Threads("test", most=1)
        with pytest.raises(TimeoutError):
            await threads.run(lambda: is_over.wait(LATE), seconds=0.05)
        with pytest.raises(ThreadsBusy):
            await threads.run(lambda: None, seconds=LATE)
        is_over.set()
        async with asyncio.timeout(LATE):
            while True:
                try:
                    assert await threads.run(lambda: 5, seconds=LATE) == 5
                    return
                except ThreadsBusy:
                    await asyncio.sleep(0.01)

    asyncio.run(test())


def test_only_so_many_wait_and_who_gives_up_makes_room() -> None:
    is_over = Event()
    begun: list[int] = []

    async def test() -> None:
        threads = Threads("test", most=1, waiting=1)
        first = asyncio.create_task(threads.run(lambda: is_over.wait(LATE), seconds=LATE))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(threads.run(lambda: begun.append(2), seconds=0.05))
        await asyncio.sleep(0)
        with pytest.raises(ThreadsBusy):
            await threads.run(lambda: begun.append(3), seconds=LATE)
        with pytest.raises(TimeoutError):
            await second
        fourth = asyncio.create_task(threads.run(lambda: begun.append(4), seconds=LATE))
        await asyncio.sleep(0)
        is_over.set()
        await asyncio.gather(first, fourth)

    asyncio.run(test())
    assert begun == [4]
