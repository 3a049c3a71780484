"""Claims about limits: no more passes than was agreed, the second model answers where the first fails, alarms come once."""

import threading

import pytest

from llmops_utils.core import DataError, KeyRefused, ProviderDown, RateLimited, RequestRefused
from llmops_utils.models import Budget
from llmops_utils.operations.limits import BudgetWatch, Fallback, RateLimit, TokenBucket


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


# --- the bucket ----------------------------------------------------------------------------------------------


def test_a_bucket_lets_a_burst_pass_and_then_the_rate(clock):
    bucket = TokenBucket(60, capacity=3, clock=clock)
    bucket.take(3)
    assert bucket.get_wait_s(1) == pytest.approx(1.0)
    clock.now += 2
    assert bucket.level == pytest.approx(2.0)
    assert bucket.get_wait_s(2) == 0


def test_a_bucket_never_holds_more_than_its_capacity(clock):
    bucket = TokenBucket(60, capacity=3, clock=clock)
    clock.now += 3600
    assert bucket.level == 3


def test_more_than_a_bucket_ever_holds_is_an_error_and_no_endless_wait(clock):
    with pytest.raises(DataError, match="600 at once is more than the limit of 60"):
        TokenBucket(60, clock=clock).get_wait_s(600)


@pytest.mark.parametrize("arguments", [(0,), (-1,), (60, 0)])
def test_a_rate_of_nothing_is_refused(arguments):
    with pytest.raises(DataError):
        TokenBucket(*arguments)


def test_requests_and_tokens_are_both_limited(clock):
    limit = RateLimit(600, tokens_per_minute=6000, clock=clock, sleep=clock.sleep)
    assert limit.wait(tokens=6000) == 0
    assert limit.wait(tokens=100) == pytest.approx(1.0)  # 100 tokens flow in within a second
    limit = RateLimit(60, clock=clock, sleep=clock.sleep)
    waits = [limit.wait() for _ in range(62)]
    assert waits[:60] == [0.0] * 60
    assert waits[60:] == pytest.approx([1.0, 1.0])
    assert limit.waited_s == pytest.approx(2.0)


def test_a_request_that_has_to_wait_takes_nothing(clock):
    limit = RateLimit(60, tokens_per_minute=60, clock=clock)
    limit.try_take(60)
    assert limit.try_take(30) == pytest.approx(30.0)
    clock.now += 30
    assert limit.try_take(30) == 0.0


def test_many_threads_together_keep_the_rate(clock):
    limit, taken = RateLimit(50, clock=clock), []

    def go():
        taken.extend(1 for _ in range(20) if limit.try_take() == 0)

    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 50


# --- fallback ------------------------------------------------------------------------------------------------


class System:
    """Answers with its name, or raises what it is told to."""

    def __init__(self, name, error=None):
        self.name, self.error, self.num_asked = name, error, 0

    def __call__(self, text):
        self.num_asked += 1
        if self.error is not None:
            raise self.error
        return f"{self.name}: {text}"


DOWN = ProviderDown("It fails.", "Wait.", 503)


def test_the_second_answers_where_the_first_fails(clock):
    first, second = System("large", DOWN), System("small")
    system = Fallback([("large", first), ("small", second)], rest_s=30, clock=clock)
    assert system("hi") == "small: hi"
    assert (system.served, system.failures) == ({"large": 0, "small": 1}, {"large": DOWN})


def test_a_failed_system_rests_and_is_then_asked_again(clock):
    first, second = System("large", DOWN), System("small")
    system = Fallback([("large", first), ("small", second)], rest_s=30, clock=clock)
    system("a")
    system("b")
    assert (first.num_asked, second.num_asked) == (1, 2)
    clock.now += 30
    first.error = None
    assert system("c") == "large: c"


def test_when_all_fail_the_last_error_is_told_and_all_are_asked_again_next_time(clock):
    last = RateLimited("Too many.", "Wait.", 429)
    first, second = System("large", DOWN), System("small", last)
    system = Fallback([("large", first), ("small", second)], clock=clock)
    for _ in range(2):
        with pytest.raises(RateLimited):
            system("a")
    assert (first.num_asked, second.num_asked) == (2, 2)


@pytest.mark.parametrize("error", [KeyRefused("No.", "Mend it.", 401), RequestRefused("No.", "Mend it.", 400)])
def test_a_mistake_of_our_own_is_not_hidden_by_the_second(error, clock):
    second = System("small")
    with pytest.raises(type(error)):
        Fallback([("large", System("large", error)), ("small", second)], clock=clock)("a")
    assert second.num_asked == 0


def test_a_fallback_needs_systems_with_different_names():
    for systems in ([], [("a", str), ("a", repr)]):
        with pytest.raises(DataError):
            Fallback(systems)


# --- the budget ----------------------------------------------------------------------------------------------


def spend(budget, tokens, usd=0.0):
    budget.reserve(tokens, usd)
    budget.settle(tokens, usd, tokens, usd)


def test_each_step_is_told_once():
    budget = Budget(max_tokens=1000)
    watch = BudgetWatch(budget, steps=(0.5, 0.8))
    spend(budget, 400)
    assert watch.check() == []
    spend(budget, 100)
    assert [str(alarm) for alarm in watch.check()] == ["50% of the budget: 500 tokens of 1,000 tokens are spent."]
    assert watch.check() == []
    spend(budget, 400)
    assert [alarm.share for alarm in watch.check()] == [0.8]


def test_one_large_call_may_pass_several_steps_and_both_units():
    budget = Budget(max_usd=0.01, max_tokens=100)
    watch = BudgetWatch(budget)
    spend(budget, 100, 0.009)
    assert [(alarm.unit, alarm.share) for alarm in watch.check()] == [
        ("dollars", 0.5),
        ("dollars", 0.8),
        ("tokens", 0.5),
        ("tokens", 0.8),
        ("tokens", 1.0),
    ]


@pytest.mark.parametrize("steps", [(), (0.8, 0.5), (0, 0.5), (1.2,), (0.5, 0.5)])
def test_steps_that_are_none_are_refused(steps):
    with pytest.raises(DataError):
        BudgetWatch(Budget(max_tokens=10), steps)


def test_a_budget_without_a_limit_cannot_be_watched():
    with pytest.raises(DataError, match="no limit"):
        BudgetWatch(Budget())
