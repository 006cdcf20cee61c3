"""The view of a partition: what it holds after any facts, and that a rebuild holds the same."""

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.closing import Progress
from domain.comparison import Member
from domain.cutting import encoded_bytes
from domain.job import Claim, Job, Submission, make_job_id
from domain.outcome import Ending
from domain.partition.history import RememberedHistory
from domain.partition.job_stages import CLAIMED, PLANNED, SUBMITTED, since_ms, stage_of
from domain.partition.state import PartitionState
from domain.rounds import Arrival, RoundEntry, Standing
from tests.model.values import EXPIRED, members, plan

Fact = RoundEntry | Job | tuple[str, Claim] | tuple[str, Submission] | tuple[Ending, ...]


def entry(offset: int, count: int = 3, standing: Standing = Standing.ACCEPTED, round_key: str = "r") -> RoundEntry:
    arrivals = tuple(
        Arrival(place, f"{offset}-{place}", "c", standing, "openai", "m", "per_round", "p", 100, 1_000 + offset)
        for place in range(count)
    )
    return RoundEntry(round_key, offset, 5, arrivals, parts=1)


def job(offset: int, of: tuple[Member, ...]) -> Job:
    return Job(make_job_id(0, offset, 0, 0), offset, 0, plan(of))


def ended(*of: Member) -> tuple[Ending, ...]:
    return tuple(Ending(member, "answered") for member in of)


def state(*entries: RoundEntry) -> PartitionState:
    made = PartitionState(0)
    for one in entries or (entry(0),):
        made.learn_record(one.offset, [one], 1_000)
    return made


def progress(of: PartitionState) -> Progress:
    """Of the round "r"."""
    return of.progress.held("r") or Progress()


def test_an_accepted_comparison_waits_in_the_window_of_its_round() -> None:
    made = state(entry(0), entry(1, round_key="other"))
    assert {key: set(window.members) for key, window in made.windows.items()} == {
        ("r", "per_round"): set(members(3)),
        ("other", "per_round"): set(members(3, 1)),
    }
    assert made.oldest_pending_ms() == 5
    assert made.pending_bytes == sum(encoded_bytes(one) for one in made.pending.values()) > 0


def test_a_job_takes_its_members_out_of_their_window() -> None:
    made = state()
    made.learn_planned(job(0, members(2)))
    (window,) = made.windows.values()
    assert list(window.members) == [Member(0, 2)]
    assert made.owned(make_job_id(0, 0, 0, 0)) == members(2)
    made.learn_planned(job(1, members(3)[2:]))
    assert made.windows == {}


def test_a_member_is_owned_by_the_latest_job_planned_with_it() -> None:
    made, first, second = state(), job(0, members(3)), job(1, members(2))
    made.learn_planned(first)
    made.learn_planned(second)
    assert (made.owned(first.job_id), made.owned(second.job_id)) == ((Member(0, 2),), members(2))
    made.learn_planned(job(2, members(3)[2:]))
    assert first.job_id not in made.jobs


def test_a_job_is_open_while_it_owns_a_member_without_an_outcome() -> None:
    made, of = state(), job(0, members(2))
    made.learn_planned(of)
    made.learn_endings(ended(Member(0, 0)))
    assert made.owned(of.job_id) == (Member(0, 1),)
    made.learn_endings(ended(Member(0, 1)))
    assert (made.owned(of.job_id), made.jobs) == ((), {})


def test_a_job_of_ended_members_alone_is_not_open() -> None:
    made = state()
    made.learn_endings(ended(*members(2)))
    made.learn_planned(job(1, members(2)))
    assert (made.jobs, made.owner) == ({}, {})


def test_claims_and_submissions_of_a_job_that_is_not_open_are_nothing() -> None:
    made = state()
    made.learn_claim("gone", Claim(1, "run", 0, 30, "k"))
    made.learn_submission("gone", Submission(2, "batch", 0))
    assert made.jobs == {}


def test_a_record_is_finished_with_its_last_member() -> None:
    made = state()
    made.learn_endings(ended(*members(2)))
    assert made.finished == set()
    made.learn_endings(ended(Member(0, 2)))
    assert (made.finished, made.pending, made.pending_bytes) == ({0}, {}, 0)


def test_a_member_that_ends_in_its_window_leaves_it() -> None:
    """Else the window is closed over it on every tick, for ever: its plan is ignored, for no member is left."""
    made = state()
    made.learn_endings(ended(*members(2)))
    (window,) = made.windows.values()
    assert list(window.members) == [Member(0, 2)]
    made.learn_endings(ended(Member(0, 2)))
    assert made.windows == {}


def test_a_record_of_duplicates_is_finished_at_once() -> None:
    assert state(entry(0, standing=Standing.DUPLICATE)).finished == {0}


def test_rejected_members_wait_for_their_outcome_and_for_no_job() -> None:
    made = state(entry(0, standing=Standing.REJECTED))
    assert (made.windows, made.pending, made.finished) == ({}, {}, set())
    assert progress(made).ids == 3
    made.learn_endings(ended(*members(3)))
    assert made.finished == {0}


def test_a_record_read_after_its_outcomes_is_finished() -> None:
    made = PartitionState(0)
    made.learn_endings(ended(*members(3)))
    made.learn_record(0, [entry(0)], 1_000)
    assert (made.finished, made.pending, made.windows) == ({0}, {}, {})


def test_a_record_read_after_its_plan_opens_no_window() -> None:
    made = PartitionState(0)
    made.learn_planned(job(0, members(3)))
    made.learn_record(0, [entry(0)], 1_000)
    assert (made.windows, set(made.pending)) == ({}, set(members(3)))


def test_why_a_member_is_open_is_the_word_of_its_own_job() -> None:
    made, first, second = state(), job(0, members(2)), job(1, members(2))
    made.learn_planned(first)
    made.learn_endings([Ending(Member(0, 0), job_id=first.job_id, retry=EXPIRED)])
    assert made.retries_of(first.job_id) == {Member(0, 0): EXPIRED}
    made.learn_planned(second)
    assert (made.retries_of(first.job_id), made.retries_of(second.job_id)) == ({}, {})


def test_passed_deadlines_come_earliest_first_and_again_until_ended() -> None:
    made = state(entry(0), entry(1), entry(2))
    assert made.passed_deadlines(999, 9) == ()
    assert [one.member for one in made.passed_deadlines(1_001, 4)] == [*members(3), Member(1, 0)]
    assert [one.member for one in made.passed_deadlines(1_001, 9)] == [*members(3), *members(3, 1)]
    made.learn_endings(ended(*members(3)))
    assert [one.member for one in made.passed_deadlines(1_001, 9)] == [*members(3, 1)]


def test_what_is_done_is_not_held() -> None:
    made = state(*(entry(offset, round_key=f"r{offset}") for offset in range(3_000)))
    for offset in range(1, 3_000):
        made.learn_endings(ended(*members(3, offset)))
    assert (set(made.pending), set(made._waiting), set(made.windows)) == (
        set(members(3)),
        set(members(3)),
        {("r0", "per_round")},
    )
    assert (len(made._waiting), len(made._deadlines) <= 2 * 1 + 1_000) == (1, True)
    assert (len(made.progress._open), len(made.progress._ended)) == (1, 1_000)
    assert (made.jobs, made.owner, made.retries, made._ended_ahead) == ({}, {}, {}, {})


def test_a_member_of_a_record_that_was_passed_and_not_learned_has_ended() -> None:
    made = PartitionState(0, passed=2)
    made.learn_record(1, [entry(1)], 1_000)
    assert [made.has_ended(Member(offset, 0)) for offset in range(3)] == [True, False, False]
    made.learn_planned(job(0, (Member(0, 0), Member(1, 0), Member(2, 0))))
    assert made.owned(job(0, ()).job_id) == (Member(1, 0), Member(2, 0))
    made.learn_endings([Ending(Member(0, 1), job_id="j", retry=EXPIRED)])
    assert made.retries == {}


def test_the_progress_of_a_round_that_is_not_held_is_read_in_the_history() -> None:
    class Stored(RememberedHistory):
        def note(self, entries: Iterable[RoundEntry]) -> None:
            """They are there already."""

    history = Stored()
    RememberedHistory.note(history, [replace(entry(offset), parts=3, part=offset + 1) for offset in range(3)])
    made = PartitionState(0, history, passed=1)
    made.learn_record(0, [replace(entry(0), parts=3)], 1_000)
    assert (progress(made).ids, progress(made).parts_seen) == (3, {1})  # the second is to be read again
    made.learn_endings(ended(*members(3)))
    made.progress._ended.clear()
    made.learn_record(1, [replace(entry(1), parts=3, part=2)], 1_000)
    assert (progress(made).ids, progress(made).parts_seen, progress(made).complete) == (6, {1, 2}, False)
    made.learn_record(2, [replace(entry(2), parts=3, part=3)], 1_000)
    assert progress(made).complete


def test_a_round_is_complete_once_and_what_comes_later_waits_for_quiet() -> None:
    made = state(entry(0))
    assert progress(made).complete
    made.learn_record(1, [replace(entry(1), parts=None)], 1_000)
    assert not progress(made).complete


PLACES = st.builds(Member, st.integers(0, 3), st.integers(0, 2))
SOME = st.lists(PLACES, min_size=1, max_size=6, unique=True).map(lambda some: tuple(sorted(some)))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("planned"), SOME),
        st.tuples(st.just("ended"), SOME),
        st.tuples(st.just("retry"), SOME),
        st.tuples(st.just("claim"), SOME),
        st.tuples(st.just("submission"), SOME),
        st.tuples(st.just("record"), SOME),
    ),
    max_size=20,
)


@given(STEPS)
def test_a_state_is_a_function_of_its_facts_and_work_facts_need_no_inbound_ones(
    steps: list[tuple[str, tuple[Member, ...]]],
) -> None:
    """Inbound and work facts of a partition are read at different speeds; a rebuild applies all inbound facts first."""
    live, inbound, work = PartitionState(0), list[RoundEntry](), list[tuple[str, int, tuple[Member, ...], str]]()
    for offset, (kind, of) in enumerate(steps):
        if kind == "record":
            if len(inbound) < 4:
                inbound.append(entry(len(inbound)))
                live.learn_record(inbound[-1].offset, [inbound[-1]], 1_000)
            continue
        job_id = live.owner.get(of[0], "none")
        work.append((kind, offset, of, job_id))
        apply(live, *work[-1])
    rebuilt, late = PartitionState(0), PartitionState(0)
    for one in inbound:
        rebuilt.learn_record(one.offset, [one], 1_000)
    for fact in work:
        apply(rebuilt, *fact)
        apply(late, *fact)
    for one in inbound:
        late.learn_record(one.offset, [one], 1_000)
    assert picture(live) == picture(rebuilt) == picture(late)
    check(live)


def apply(to: PartitionState, kind: str, offset: int, of: tuple[Member, ...], job_id: str) -> None:
    match kind:
        case "planned":
            to.learn_planned(job(offset, of))
        case "ended":
            to.learn_endings(ended(*of))
        case "retry":
            to.learn_endings([Ending(member, job_id=job_id, retry=EXPIRED) for member in of])
        case "claim":
            to.learn_claim(job_id, Claim(offset, "run", 0, 30, "k"))
        case "submission":
            to.learn_submission(job_id, Submission(offset, "batch", 0))


def picture(of: PartitionState) -> dict[str, object]:
    return {
        "ids": of.history.known([f"{offset}-{place}" for offset in range(4) for place in range(3)], 0),
        "pending": of.pending,
        "windows": {key: (set(window.members), window.size_bytes) for key, window in of.windows.items()},
        "progress": progress(of),
        "jobs": of.jobs,
        "owner": of.owner,
        "finished": of.finished & set(range(progress(of).ids // 3)),
        "retries": {job_id: of.retries_of(job_id) for job_id in of.jobs},
    }


def check(of: PartitionState) -> None:
    """A pending comparison is in a job or in a window, never in both and never in neither."""
    in_windows = {member for window in of.windows.values() for member in window.members}
    assert in_windows.isdisjoint(of.owner)
    assert in_windows | (set(of.owner) & set(of.pending)) == set(of.pending)
    assert {of.owner[member] for member in of.owner} == set(of.jobs)
    assert of.pending_bytes == sum(encoded_bytes(one) for one in of.pending.values())
    assert +of.pending_counts == Counter((one.resolved.provider, one.resolved.strategy) for one in of.pending.values())
    assert of.oldest_pending_ms() == min((one.arrived_ms for one in of.pending.values()), default=None)
    assert of.nearest_deadline_ms() == min((one.resolved.deadline_ms for one in of.pending.values()), default=None)
    for group in {(one.plan.provider, stage) for one in of.jobs.values() for stage in (PLANNED, CLAIMED, SUBMITTED)}:
        there = [one for one in of.jobs.values() if (one.plan.provider, stage_of(one)) == group]
        assert set(of.stages.entered.keys(group)) == set(of.stages.arrived.keys(group)) == {one.job_id for one in there}
        assert of.stages.entered.oldest_ms(group) == min(map(since_ms, there), default=None)


def test_a_job_changes_its_stage_with_each_fact_and_keeps_the_age_of_its_comparisons() -> None:
    made, of = state(), replace(job(1, members(3)), append_ms=50)
    for fact, since in ((None, 50), (Claim(2, "run", 60, 30, "k"), 60), (Submission(3, "batch", 70), 70)):
        if fact is None:
            made.learn_planned(of)
        elif isinstance(fact, Claim):
            made.learn_claim(of.job_id, fact)
        else:
            made.learn_submission(of.job_id, fact)
        group = ("openai", stage_of(made.jobs[of.job_id]))
        assert list(made.stages.entered) == [group]
        assert (made.stages.entered.oldest_ms(group), made.stages.arrived.oldest_ms(group)) == (since, 5)
    made.learn_endings(ended(*members(3)))
    assert (list(made.stages.entered), list(made.stages.arrived)) == ([], [])


def test_the_id_of_a_planned_job_is_made_of_its_place_in_the_log() -> None:
    made = PartitionState(3)
    assert made.job_of(plan(members(1)), 17, 36, 2).job_id == "rb-3-17-10-2"
    assert replace(made.job_of(plan(members(1)), 17, 36, 2), job_id="") == Job("", 17, 36, plan(members(1)))
