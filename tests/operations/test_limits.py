"""Claims about limits: no more passes than was agreed, the second model answers where the first fails, alarms come once."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from llmops_utils.core import DataError, KeyRefused, ProviderDown, RateLimited, RequestRefused
from llmops_utils.models import Budget
from llmops_utils.operations import BudgetWatch, Fallback, RateLimit


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


PLENTY = 1e9  # tokens a minute, so that only requests are limited


def test_a_burst_passes_then_both_keep_their_rates_and_what_never_passes_is_an_error_and_no_endless_wait(clock):
    limit = RateLimit(60, PLENTY, clock=clock, sleep=clock.sleep)
    waits = [limit.wait(1) for _ in range(62)]
    assert waits[:60] == [0.0] * 60
    assert waits[60:] == pytest.approx([1.0, 1.0])
    clock.now += 3600  # after a long pause no more pass at once than in one minute
    assert [limit.wait(1) for _ in range(61)] == [*[0.0] * 60, pytest.approx(1.0)]
    limit = RateLimit(2, tokens_per_minute=60, clock=clock, sleep=clock.sleep)
    limit.wait(60)
    assert limit.wait(30) == pytest.approx(30.0)
    assert limit.wait(0) == pytest.approx(0.0)  # only two requests were taken, and one has flowed in
    with pytest.raises(DataError, match="600 at once is more than the limit of 60"):
        RateLimit(60, tokens_per_minute=60, clock=clock).wait(600)
    for tokens in (float("nan"), float("inf"), -1):
        with pytest.raises(DataError, match="no number of tokens"):
            RateLimit(60, tokens_per_minute=60, clock=clock).wait(tokens)
    for rates in ((0, 60), (-1, 60), (60, 0), (float("nan"), 60), (60, float("inf"))):
        with pytest.raises(DataError, match="A rate of nothing"):
            RateLimit(*rates)


def test_many_threads_together_keep_the_rate(clock):
    def stop(seconds):
        raise InterruptedError

    limit, taken = RateLimit(50, PLENTY, clock=clock, sleep=stop), []

    def go():
        with contextlib.suppress(InterruptedError):
            for _ in range(20):
                limit.wait(1)
                taken.append(1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: go(), range(8)))
    assert len(taken) == 50


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


def test_a_failed_system_rests_while_the_second_answers_and_is_then_asked_again_and_where_all_fail_at_once(clock):
    first, second = System("large", DOWN), System("small")
    system = Fallback([("large", first), ("small", second)], rest_s=30, clock=clock)
    assert [system("a"), system("b")] == ["small: a", "small: b"]
    assert (first.num_asked, second.num_asked, system.served) == (1, 2, {"large": 0, "small": 2})
    clock.now += 30
    first.error = None
    assert system("c") == "large: c"
    first, second = System("large", DOWN), System("small", RateLimited("Too many.", "Wait.", 429))
    system = Fallback([("large", first), ("small", second)], clock=clock)
    for _ in range(2):
        with pytest.raises(RateLimited):  # the last error where all fail, and next time all are asked again
            system("a")
    assert (first.num_asked, second.num_asked) == (2, 2)


def test_a_mistake_of_our_own_is_not_hidden_by_the_second_system(clock):
    second = System("small")
    for error in (KeyRefused("No.", "Mend it.", 401), RequestRefused("No.", "Mend it.", 400)):
        with pytest.raises(type(error)):
            Fallback([("large", System("large", error)), ("small", second)], clock=clock)("a")
    assert second.num_asked == 0
    for systems in ([], [("a", str), ("a", repr)]):
        with pytest.raises(DataError):
            Fallback(systems)


def test_one_large_call_may_pass_several_steps_in_both_units_and_each_is_told_once():
    budget = Budget(max_usd=0.01, max_tokens=100)
    watch = BudgetWatch(budget, steps=(0.5, 0.8, 1.0))
    budget.reserve(100, 0.009)
    budget.settle(100, 0.009, 100, 0.009)
    assert watch.check() == [
        "50% of the budget: $0.009000 of $0.010000 are spent.",
        "80% of the budget: $0.009000 of $0.010000 are spent.",
        *(f"{share}% of the budget: 100 tokens of 100 tokens are spent." for share in (50, 80, 100)),
    ]
    assert watch.check() == []
    with pytest.raises(DataError, match="no limit"):
        BudgetWatch(Budget(), steps=(0.5,))
