"""Places for jobs: bounded, earliest deadline first, no waiting job forgotten."""

from agents.accounts.places import Places


def test_a_full_house_wakes_the_earliest_deadline_when_a_place_is_given_back() -> None:
    places = Places(1)
    woken: list[str] = []
    assert places.take("a", 10, lambda: True)
    assert not places.take("late", 30, lambda: woken.append("late") is None)
    assert not places.take("soon", 20, lambda: woken.append("soon") is None)
    places.release("a")
    assert woken == ["soon"]
    assert places.take("soon", 20, lambda: True)
    places.release("soon")
    assert woken == ["soon", "late"]


def test_a_job_that_no_longer_wants_its_place_does_not_keep_the_next_waiting() -> None:
    places = Places(1)
    woken: list[str] = []
    assert places.take("a", 10, lambda: True)
    assert not places.take("gone", 20, lambda: False)
    assert not places.take("next", 30, lambda: woken.append("next") is None)
    places.release("a")
    assert woken == ["next"]


def test_a_job_that_was_woken_and_may_not_go_leaves_the_place_to_the_next() -> None:
    places = Places(1)
    woken: list[str] = []
    assert places.take("a", 10, lambda: True)
    for job_id, deadline_ms in (("paused", 20), ("next", 30)):
        assert not places.take(job_id, deadline_ms, lambda job_id=job_id: woken.append(job_id) is None)
    places.release("a")
    places.release("paused")
    assert woken == ["paused", "next"]


def test_taking_twice_is_one_place_and_giving_back_a_stranger_none() -> None:
    places = Places(2)
    assert places.take("a", 1, lambda: True)
    assert places.take("a", 1, lambda: True)
    places.release("b")
    assert places.take("c", 1, lambda: True)
    assert not places.take("d", 1, lambda: True)


def test_a_small_round_is_not_stuck_behind_a_large_one() -> None:
    places = Places(2)
    order: list[str] = []

    def wait(job: str, deadline_ms: int, round_key: str) -> bool:
        return places.take(job, deadline_ms, lambda: order.append(job) is None, round_key)

    large = [f"large-{n:02}" for n in range(40)]
    assert [wait(job, 10, "large") for job in large] == [True, True] + [False] * 38
    for job in large[:10]:  # ten turns of the large round pass before the small one comes
        places.release(job)
        if order:
            assert wait(order[-1], 10, "large")
    order.clear()
    assert not any(wait(f"small-{n}", 20, "small") for n in range(4))
    for _ in range(8):
        places.release(next(iter(places._taken)))
        assert wait(order[-1], 0, order[-1][:5])
    assert [job[:5] for job in order] == ["small", "large"] * 4
    assert [job for job in order if job < "s"] == sorted(job for job in order if job < "s")


def test_of_rounds_with_equal_turns_the_earliest_deadline_goes_first() -> None:
    places = Places(1)
    order: list[str] = []
    assert places.take("a", 1, lambda: True, "first")
    for job, deadline_ms in (("late", 30), ("soon", 20), ("middle", 25)):
        assert not places.take(job, deadline_ms, lambda job=job: order.append(job) is None, job)
    for holder in ("a", "soon", "middle"):
        places.release(holder)
        assert places.take(order[-1], 0, lambda: True, order[-1])
    assert order == ["soon", "middle", "late"]
