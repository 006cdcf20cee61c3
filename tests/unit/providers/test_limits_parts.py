"""The parts of the limits: headers read, estimates calibrated, turns kept, levels reconciled."""

from datetime import UTC, datetime

import pytest

from domain.reply import Usage
from providers.limits import headers
from providers.limits.account_limits import AccountLimits
from providers.limits.calibration import Calibration
from providers.limits.charging import Amounts, Charging, Kind, Size
from providers.limits.fair_queue import FairQueue
from providers.limits.headers import Seen
from providers.limits.model_limits import Call

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("6m0s", 360), ("120ms", 0.12), ("1.5s", 1.5), ("1h2m3s", 3723), ("2026-11-25T12:00:30Z", 30), ("", None), ("soon", None)],
)
def test_headers_of_both_providers(reset: str, seconds: float | None) -> None:
    openai = {"x-ratelimit-limit-tokens": "400000", "x-ratelimit-remaining-tokens": "1000", "x-ratelimit-reset-tokens": reset}
    assert headers.read(openai, NOW) == {Kind.INPUT_TOKENS: Seen(400_000, 1_000, seconds)}
    name = "anthropic-ratelimit-output-tokens"
    anthropic = {f"{name}-limit": "8000", f"{name}-remaining": "8000", f"{name}-reset": reset}
    assert headers.read(anthropic, NOW) == {Kind.OUTPUT_TOKENS: Seen(8_000, 8_000, seconds)}


def test_headers_that_cannot_be_read_say_nothing() -> None:
    assert headers.read({"x-ratelimit-limit-requests": "many", "x-ratelimit-remaining-requests": "1"}) == {}
    assert headers.read({"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0"}) == {}
    assert headers.read({"x-ratelimit-limit-requests": "5"}) == {}


def test_an_estimate_is_the_bound_until_calls_have_come_back_and_then_what_nearly_all_stayed_below() -> None:
    calibration = Calibration()
    assert calibration.factor == 1.0
    calibration.note(60, 100)
    assert calibration.factor == pytest.approx(0.6 * 1.32)
    for number in range(255):
        calibration.note(50 + number % 10, 100)
    assert calibration.factor == pytest.approx(0.59 * 1.02, rel=0.01)
    for _ in range(3):
        calibration.note(110, 100)
    assert calibration.factor == 1.1
    for _ in range(256):
        calibration.note(50, 100)
    assert calibration.factor == pytest.approx(0.5 * 1.02, rel=0.01)


def test_what_a_call_is_charged_at_either_provider() -> None:
    size, usage = Size(2_000, 400), Usage(1_500, 80, cache_read_tokens=600, cache_creation_tokens=100)
    assert Charging.ANTHROPIC.before(size, 0.5, 0.25) == Amounts(1, 1_000, 100)
    assert Charging.ANTHROPIC.after(size, usage) == Amounts(1, 900, 80)
    assert Charging.OPENAI.before(size, 0.5, 0.25) == Amounts(1, 1_000, 0)
    assert Charging.OPENAI.before(Size(200, 400), 0.5, 0.25) == Amounts(1, 400, 0)
    assert Charging.OPENAI.after(size, usage) == Amounts(1, 1_500, 0)


def test_turns_go_by_cost_and_a_round_that_comes_later_is_not_behind() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(6):
        queue.push("m", "large", f"large-{number}", 10.0)
    assert [queue.pop("m") for _ in range(3)] == ["large-0", "large-1", "large-2"]
    for number in range(4):
        queue.push("m", "small", f"small-{number}", 5.0)
    order = [queue.pop("m").split("-")[0] for _ in range(6)]
    assert order.count("small") == 4
    assert order.count("large") == 2
    assert len(queue) == 1


def test_rounds_of_one_call_that_never_end_do_not_keep_a_large_one_waiting_and_are_forgotten() -> None:
    queue: FairQueue[str] = FairQueue()
    for place in range(20):
        queue.push("m", "large", f"large {place}", 10.0)
    queue.push("m", "round 0", "one", 10.0)
    of_large = 0
    for number in range(1, 2_000):
        of_large += queue.pop("m").startswith("large")
        queue.push("m", f"round {number}", "one", 10.0)  # whatever is taken, another round comes
        assert len(queue._finish) <= 200
    assert of_large == 20


def test_a_round_of_a_model_that_stood_still_is_let_go_in_turn_with_those_that_waited() -> None:
    queue: FairQueue[str] = FairQueue()
    for place in range(20):
        queue.push("slow", "large", f"large {place}", 10.0)
    for _ in range(1_000):
        queue.push("fast", "its own", "one", 10.0)
        queue.pop("fast")
    for place in range(4):
        queue.push("slow", "small", f"small {place}", 10.0)
    assert [queue.pop("slow").split()[0] for _ in range(8)].count("small") == 4
    queue.push("new", "a round", "one", 10.0)
    queue.push("fast", "another", "one", 10.0)
    assert queue.models() == ["slow", "new", "fast"]


def test_nothing_is_remembered_once_nothing_waits() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(500):
        queue.push("m", f"round {number}", number, 1.0)
        assert queue.pop("m") == number
    assert not queue._finish


def test_an_item_is_taken_out_wherever_it_stands() -> None:
    queue: FairQueue[str] = FairQueue()
    for name in ("a", "b", "c"):
        queue.push("m", "r", name, 1.0)
    queue.push("m", "s", "d", 1.0)
    assert queue.remove("m", "r", "b")
    assert not queue.remove("m", "r", "b")
    assert queue.remove("m", "s", "d")
    assert [queue.pop("m") for _ in range(len(queue))] == ["a", "c"]
    assert queue.models() == []


class Account:
    """One account with 60 requests a minute, whose time the test moves."""

    def __init__(self, **options: float | bool) -> None:
        settings = {"requests_per_minute": 60.0, "full_at_start": True, "paced_at_start": False, **options}
        self.core = AccountLimits(Charging.OPENAI, concurrent_calls=200, **settings)  # type: ignore[arg-type]
        self.now_s = 0.0

    def ask(self, count: int, model: str = "m") -> int:
        """Ask for so many calls; returns how many go at once."""
        for _ in range(count):
            self.core.ask("r", model, Size(100, 10), self.now_s)
        return len(self.go())

    def go(self) -> list:  # type: ignore[type-arg]
        self.calls = self.core.grants(self.now_s)
        return self.calls

    def level(self, model: str = "m") -> float | None:
        return self.core.state(self.now_s).limits[model]["requests"].remaining


def seen(limit: float, remaining: float) -> dict[Kind, Seen]:
    return {Kind.REQUESTS: Seen(limit, remaining)}


def test_a_full_bucket_lets_a_minutes_worth_go_and_then_one_a_second() -> None:
    account = Account()
    assert account.ask(70) == 60
    assert account.core.next_s(0.0) == pytest.approx(1.0, abs=0.01)
    account.now_s = 3.6  # a full bucket gains nothing in the half second in which the 60 may not have arrived
    assert len(account.go()) == 3
    assert account.core.state(3.6).throttled_s == {("m", "requests"): pytest.approx(3.6)}


def test_models_have_limits_of_their_own() -> None:
    account = Account()
    assert account.ask(70, "a") == 60
    assert account.ask(70, "b") == 60


def test_an_answer_that_shows_less_than_was_thought_is_believed() -> None:
    account = Account()
    account.ask(10)
    (first, *_) = account.calls
    account.now_s = 0.5
    account.core.answered(first, 0.5, usage=Usage(50, 5), seen=seen(60, 20))
    assert account.level() is not None
    assert account.level() <= 22  # type: ignore[operator]


def test_an_answer_that_overtook_others_does_not_give_back_what_they_took() -> None:
    account = Account()
    account.ask(40)
    (first, *others) = account.calls
    account.now_s = 1.0
    account.core.answered(first, 1.0, usage=Usage(50, 5), seen=seen(60, 59))  # written before the other 39 arrived
    assert account.level() == pytest.approx(60 - 40 + 0.5, abs=0.6)
    for call in others:
        account.core.answered(call, 1.0, usage=Usage(50, 5), seen=seen(60, 20))
    assert account.level() == pytest.approx(20.5, abs=0.6)


def test_a_stale_answer_does_not_bring_a_higher_limit_back() -> None:
    account = Account(requests_per_minute=None, full_at_start=False, paced_at_start=True)  # type: ignore[arg-type]
    account.ask(1)
    (early,) = account.calls
    account.now_s = 5.0
    account.ask(1)
    (late,) = account.calls
    account.now_s = 6.0
    account.core.answered(late, 6.0, usage=Usage(50, 5), seen=seen(30, 20))
    account.core.answered(early, 6.5, usage=Usage(50, 5), seen=seen(60, 59))
    assert account.core.state(6.5).limits["m"]["requests"].limit == 30
    account.now_s = 7.0
    account.ask(1)
    account.core.answered(account.calls[0], 8.0, usage=Usage(50, 5), seen=seen(90, 60))
    assert account.core.state(8.0).limits["m"]["requests"].limit == 90


def test_before_the_first_answer_one_call_goes_and_then_the_headers_tell() -> None:
    account = Account(requests_per_minute=None, full_at_start=False, paced_at_start=True)  # type: ignore[arg-type]
    assert account.ask(60) == 1
    account.now_s = 1.0
    account.core.answered(account.calls[0], 1.0, usage=Usage(50, 5), seen=seen(60, 59))
    assert len(account.go()) == 59


def test_without_headers_there_is_no_limit() -> None:
    account = Account(requests_per_minute=None, full_at_start=False, paced_at_start=True)  # type: ignore[arg-type]
    assert account.ask(50) == 1
    account.core.answered(account.calls[0], 1.0, usage=Usage(50, 5), seen={})
    assert len(account.go()) == 49


def test_a_setting_below_what_the_headers_show_is_kept() -> None:
    account = Account(full_at_start=False, paced_at_start=True)
    assert account.ask(100) == 1
    account.now_s = 1.0
    account.core.answered(account.calls[0], 1.0, usage=Usage(50, 5), seen=seen(4_000, 3_999))
    assert len(account.go()) == 60


def test_shares_divide_a_limit_and_must_be_parts() -> None:
    account = Account()
    account.core.set_share(0.25)
    assert account.ask(100) == 15
    with pytest.raises(ValueError, match="share=0"):
        account.core.set_share(0.0)


def test_a_call_that_is_withdrawn_or_refused_is_given_back() -> None:
    account = Account()
    account.ask(61)
    account.core.withdrawn(account.calls[0], 0.0)
    assert len(account.go()) == 1
    waiting = account.core.ask("r", "m", Size(100, 10), 0.0)
    account.core.withdrawn(waiting, 0.0)
    assert account.core.waiting == 0
    assert account.core.refused(account.calls[0], 0.0, 7.0) == 7.0
    account.ask(1)
    assert account.calls == []
    assert account.core.next_s(0.0) == pytest.approx(7.0)
    assert account.core.state(3.0).throttled_s["m", "pause"] == 3.0


def test_what_an_answer_holds_already_is_not_given_back_again() -> None:
    core = AccountLimits(
        Charging.ANTHROPIC, concurrent_calls=9, input_tokens_per_minute=10_000, full_at_start=True, paced_at_start=False
    )

    def send(now_s: float) -> Call:
        core.ask("r", "m", Size(3_000, 10), now_s)
        (call,) = core.grants(now_s)
        return call

    core.answered(send(0.0), 0.0, usage=Usage(3_000, 1))
    slow, quick = send(0.0), send(3.0)
    remaining = 10_000 - 3_000 - 2 * 500 + 5 * 10_000 / 60  # both took 500 of the 3,000 that they are charged
    core.answered(quick, 5.0, usage=Usage(500, 1), seen={Kind.INPUT_TOKENS: Seen(10_000, remaining)})
    core.answered(slow, 5.0, usage=Usage(500, 1))
    assert core.state(5.0).limits["m"]["input_tokens"].remaining == pytest.approx(remaining)
