from sync.queue.backoff import Backoff


def test_each_pause_is_twice_the_one_before_up_to_a_bound() -> None:
    backoff = Backoff(least_seconds=0.5, most_seconds=3)
    assert [backoff.next_seconds() for _ in range(5)] == [0.5, 1, 2, 3, 3]


def test_after_an_answer_the_pauses_begin_anew() -> None:
    backoff = Backoff(least_seconds=0.5, most_seconds=3)
    backoff.next_seconds()
    backoff.next_seconds()
    backoff.reset()
    assert backoff.next_seconds() == 0.5
