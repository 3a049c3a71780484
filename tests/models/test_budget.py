"""Prices, bounds, and a budget that stops a call before it is sent."""

import math
import threading

import pytest
from fake_provider import DROP, HTML, refuse, slow

from llmops_utils.core import BudgetExceeded, DataError, ProviderError, RecordingMissing
from llmops_utils.models.budget import Budget, bound_tokens, compute_cost
from llmops_utils.models.catalog import load_catalog

PROVIDERS = load_catalog().providers


def ask_openai(make_model, budget=None, **changes):
    """A model that costs money."""
    return make_model(budget, **({"provider": "openai", "model": "gpt-4o-mini"} | changes))


def test_a_known_model_has_its_list_price_one_here_costs_nothing_and_an_unknown_one_has_none():
    for num_read, num_written, dollars in ((1_000_000, 0, 0.15), (0, 1_000_000, 0.6), (2000, 500, 0.0006), (0, 0, 0)):
        cost = compute_cost(PROVIDERS["openai"], "gpt-4o-mini", num_read, num_written)
        assert cost == pytest.approx(dollars, abs=1e-12)
    for name in ("embedded", "ollama", "vllm", "lmstudio"):
        assert compute_cost(PROVIDERS[name], "gpt-4o-mini", 1000, 1000) == 0.0
    for name in ("openai", "anthropic", "gemini", "mistral", "custom"):
        assert compute_cost(PROVIDERS[name], "no-such-model", 1000, 1000) is None
    for provider in PROVIDERS.values():
        if provider.key_variable and not provider.is_free:
            for model in filter(None, (provider.default_model, provider.embedding_model)):
                assert compute_cost(provider, model, 1000, 0) > 0, model


def test_the_bound_counts_bytes_not_characters_and_grows_with_messages():
    texts = {"": 0, "abc": 3, "größer": 8, "二": 3, "🙂": 4, "e\u0301": 3, "\x00\n": 2}
    for text, num_bytes in texts.items():
        assert bound_tokens(text) - bound_tokens("") == num_bytes
    assert bound_tokens("ab", "二") - bound_tokens("") == 5
    assert bound_tokens("ab", num_messages=3) - bound_tokens("ab", num_messages=1) == 32


def test_reserve_and_settle_add_up():
    budget = Budget(max_usd=1.5, max_tokens=20_000)
    for tokens, usd, num_calls, spent in ((100, 0.125, 1, "100"), (19_900, 1.375, 2, "20,000")):
        budget.reserve(tokens + 5 * (num_calls == 1), usd)
        budget.settle(tokens + 5 * (num_calls == 1), usd, tokens, usd)
        assert repr(budget).startswith(f"Budget({num_calls} calls, {spent} tokens of 20,000, $")
    assert (budget.spent_usd, budget.spent_tokens, budget.num_calls) == (1.5, 20_000, 2)
    for tokens, usd in ((1, 0.0), (0, 0.5), (0, None)):
        with pytest.raises(BudgetExceeded):
            budget.reserve(tokens, usd)
    budget.reserve(0, 0.0)  # the refused ones set nothing aside
    assert repr(Budget()) == "Budget(0 calls, 0 tokens, $0.000000)"


def test_a_reservation_that_meets_only_reservations_waits_for_them():
    for budget, first, second in (
        (Budget(max_tokens=1000), (600, None), (401, None)),
        (Budget(1.0), (9, 0.75), (9, 0.5)),
    ):
        budget.reserve(*first)
        waiting = threading.Thread(target=budget.reserve, args=second, daemon=True)
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
        budget.settle(*first, 10, 0.1)
        waiting.join(5)
        assert not waiting.is_alive()
    tokens, dollars = Budget(max_tokens=1000), Budget(max_usd=1.0)
    tokens.settle(0, None, 600, None)
    with pytest.raises(BudgetExceeded, match="may take 401 tokens; 600 of 1000"):
        tokens.reserve(401, None)
    dollars.settle(0, None, 10, 0.75)
    with pytest.raises(BudgetExceeded, match=r"may cost 0\.500000 dollars; 0\.750000 of 1\.000000"):
        dollars.reserve(10, 0.5)


def test_a_budget_without_limit_lets_all_pass_one_of_zero_only_what_is_free_and_one_of_nan_is_refused():
    Budget().reserve(10**12, None)
    Budget(max_usd=0.0).reserve(1, 0.0)
    for budget in (Budget(max_tokens=0), Budget(max_usd=0.0)):
        with pytest.raises(BudgetExceeded):
            budget.reserve(1, 1e-9)
    for limits in ({"max_tokens": math.nan}, {"max_usd": math.nan}, {"max_usd": -1.0}):
        with pytest.raises(DataError):
            Budget(**limits)


def test_threads_use_what_others_give_back_and_cannot_overspend_together():
    budget, barrier, refused = Budget(max_tokens=2000), threading.Barrier(16), []

    def spend():
        barrier.wait()
        for _ in range(20):
            try:
                budget.reserve(90, 0.001)
            except BudgetExceeded:
                refused.append(90)
                return
            budget.settle(90, 0.001, 15, 0.001)

    threads = [threading.Thread(target=spend) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert 2000 - 90 < budget.spent_tokens <= 2000
    assert refused


CALLS = {
    "chat": lambda model: model.chat("Hi"),
    "next_tokens": lambda model: model.next_tokens("Hi"),
    "embed": lambda model: model.embed("Hi"),
}


def test_a_call_whose_worst_case_passes_the_budget_is_not_sent(fake, make_model):
    for name, call in CALLS.items():
        models = [make_model(Budget(max_tokens=5)), make_model(budget_tokens=0)]
        if name != "next_tokens":
            models += [ask_openai(make_model, Budget(max_usd=1e-9)), ask_openai(make_model, budget_usd=0.0)]
        for model in models:
            with pytest.raises(BudgetExceeded, match="was not sent"):
                call(model)
            assert (fake.requests, model.budget.spent_tokens, model.budget.num_calls) == ([], 0, 0)


def test_dollars_need_a_price_and_are_no_obstacle_to_a_free_model(fake, make_model):
    with pytest.raises(BudgetExceeded, match="no price is known") as caught:
        ask_openai(make_model, Budget(max_usd=100.0), model="no-such-model").chat("Hi")
    assert "LLMOPS_BUDGET_TOKENS" in caught.value.next_step
    assert fake.requests == []
    budget = Budget(max_usd=0.0)
    make_model(budget).chat("Hi")
    assert (budget.spent_usd, budget.spent_tokens) == (0.0, 15)


def test_the_worst_case_is_the_prompt_in_bytes_and_all_of_max_tokens_and_what_came_is_counted(fake, make_model):
    worst = bound_tokens("Grüße", "Be brief.", num_messages=2) + 100
    with pytest.raises(BudgetExceeded, match=f"may take {worst} tokens"):
        make_model(Budget(max_tokens=worst - 1)).chat("Grüße", system="Be brief.", max_tokens=100)
    make_model(Budget(max_tokens=worst)).chat("Grüße", system="Be brief.", max_tokens=100)
    assert len(fake.requests) == 1
    priced = ask_openai(make_model)
    for text in "abc":
        priced.chat(text)
    assert (priced.budget.num_calls, priced.budget.spent_tokens) == (3, 45)
    assert priced.budget.spent_usd == pytest.approx(3 * (12 * 0.15e-6 + 3 * 0.60e-6))


def test_a_call_of_which_nobody_knows_what_became_counts_as_its_worst_case_and_any_other_failure_as_nothing(
    fake, make_model
):
    worst = bound_tokens("Hi") + 256
    for fault, spent in ((slow(0.2), worst), (DROP, worst), (HTML, worst), (refuse(429), 0), (refuse(500), 0)):
        fake.faults.append(fault)
        budget = Budget()
        with pytest.raises(ProviderError):
            make_model(budget, timeout_s=0.1).chat("Hi")
        assert budget.spent_tokens == spent, fault
    fake.choose_fault = lambda request: refuse(401)
    models = [make_model(Budget(max_tokens=1000), **one) for one in ({}, {"base_url": "http://127.0.0.1:9/v1"})]
    for model in (*models, make_model(Budget(max_tokens=1000), mode="replay")):
        for call in CALLS.values():
            with pytest.raises((ProviderError, RecordingMissing)):
                call(model)
        assert (model.budget.spent_tokens, model.budget.spent_usd) == (0, 0.0)
        model.budget.reserve(1000, 0.0)
