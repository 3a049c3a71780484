"""Prices, bounds, and a budget that stops a call before it is sent."""

import threading
from pathlib import Path

import pytest
from fake_provider import FakeProvider, refuse
from pydantic import SecretStr

from llmops_utils.core import BudgetExceeded, KeyRefused, RecordingMissing, Settings
from llmops_utils.models.budget import Budget, bound_tokens, compute_cost
from llmops_utils.models.catalog import load_catalog
from llmops_utils.models.model import Model

PROVIDERS = load_catalog().providers


@pytest.fixture
def fake():
    with FakeProvider() as provider:
        yield provider


def make_model(fake, budget=None, **changes):
    defaults = {
        "mode": "live",
        "provider": "openai",
        "base_url": fake.base_url,
        "model": "gpt-4o-mini",
        "api_key": SecretStr("sk-for-tests-0001"),
        "retries": 0,
        "timeout_s": 5,
        "recordings": Path("no recordings"),
    }
    return Model("01_test", budget, Settings(**(defaults | changes)))


# --- prices --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt_tokens", "completion_tokens", "dollars"),
    [(1_000_000, 0, 0.15), (0, 1_000_000, 0.60), (2000, 500, 0.0006), (0, 0, 0.0)],
)
def test_a_known_model_has_its_list_price(prompt_tokens, completion_tokens, dollars):
    cost = compute_cost(PROVIDERS["openai"], "gpt-4o-mini", prompt_tokens, completion_tokens)
    assert cost == pytest.approx(dollars, abs=1e-12)


@pytest.mark.parametrize("name", ["embedded", "ollama", "vllm", "lmstudio"])
def test_a_model_on_the_own_machine_costs_nothing(name):
    assert compute_cost(PROVIDERS[name], "gpt-4o-mini", 1000, 1000) == 0.0


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "mistral", "custom"])
def test_an_unknown_model_has_no_price(name):
    assert compute_cost(PROVIDERS[name], "no-such-model", 1000, 1000) is None


@pytest.mark.parametrize(
    "provider", [p for p in PROVIDERS.values() if p.key_variable and not p.is_free], ids=lambda p: p.id
)
def test_the_default_model_of_each_priced_provider_has_a_price(provider):
    assert compute_cost(provider, provider.default_model, 1000, 1000) > 0
    if provider.embedding_model:
        assert compute_cost(provider, provider.embedding_model, 1000, 0) > 0


# --- bounds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "num_bytes"), [("", 0), ("abc", 3), ("größer", 8), ("二", 3), ("🙂", 4), ("e\u0301", 3), ("\x00\n", 2)]
)
def test_the_bound_counts_bytes_not_characters(text, num_bytes):
    assert bound_tokens(text) - bound_tokens("") == num_bytes


def test_the_bound_adds_up_texts_and_grows_with_messages():
    assert bound_tokens("ab", "二") - bound_tokens("") == 5
    assert bound_tokens("ab", num_messages=3) - bound_tokens("ab", num_messages=1) == 32
    assert bound_tokens("") > 0


def test_the_bound_holds_for_one_token_per_byte_within_a_chat_template():
    texts = {"system": "Be brief.", "user": "Grüße aus 北京 🙂", "assistant": ""}
    opening, end = 1, 1  # <|im_start|> and <|im_end|> are one token each
    num_tokens = sum(opening + len(f"{role}\n{text}\n".encode()) + end for role, text in texts.items())
    num_tokens += opening + len("assistant\n")
    assert num_tokens <= bound_tokens(*texts.values(), num_messages=3)


# --- arithmetic ----------------------------------------------------------------------------------------------


def test_reserve_and_settle_add_up():
    budget = Budget(max_usd=1.0, max_tokens=1000)
    budget.reserve(600, 0.5)
    assert (budget.spent_tokens, budget.spent_usd, budget.num_calls) == (0, 0.0, 0)
    budget.settle(600, 0.5, 100, 0.125)
    assert (budget.spent_tokens, budget.spent_usd, budget.num_calls) == (100, 0.125, 1)
    budget.reserve(900, 0.875)
    budget.settle(900, 0.875, 900, 0.875)
    assert (budget.spent_tokens, budget.spent_usd, budget.num_calls) == (1000, 1.0, 2)


def test_a_reservation_counts_until_it_is_settled():
    budget = Budget(max_tokens=1000)
    budget.reserve(600, None)
    with pytest.raises(BudgetExceeded, match="may take 401 tokens; 600 of 1000"):
        budget.reserve(401, None)
    budget.reserve(400, None)
    budget.settle(600, None, 10, None)
    budget.reserve(590, None)
    with pytest.raises(BudgetExceeded):
        budget.reserve(1, None)


def test_a_reservation_in_dollars_counts_until_it_is_settled():
    budget = Budget(max_usd=1.0)
    budget.reserve(10, 0.75)
    with pytest.raises(BudgetExceeded, match=r"may cost 0\.500000 dollars; 0\.750000 of 1\.000000"):
        budget.reserve(10, 0.5)
    budget.settle(10, 0.75, 10, 0.25)
    budget.reserve(10, 0.75)


def test_a_refused_reservation_sets_nothing_aside():
    budget = Budget(max_usd=1.0, max_tokens=1000)
    for tokens, usd in ((1001, 0.1), (10, 1.5), (10, None)):
        with pytest.raises(BudgetExceeded):
            budget.reserve(tokens, usd)
    budget.reserve(1000, 1.0)


def test_dollars_with_an_unknown_price_are_refused_and_hint_at_tokens():
    with pytest.raises(BudgetExceeded, match="no price is known") as caught:
        Budget(max_usd=100.0).reserve(1, None)
    assert "LLMOPS_BUDGET_TOKENS" in caught.value.next_step


def test_without_a_limit_everything_passes():
    budget = Budget()
    budget.reserve(10**12, None)
    budget.settle(10**12, None, 10**12, None)
    assert budget.spent_tokens == 10**12


def test_a_budget_of_zero_tokens_blocks_every_call():
    with pytest.raises(BudgetExceeded):
        Budget(max_tokens=0).reserve(1, 0.0)


def test_a_budget_of_zero_dollars_blocks_what_costs_and_lets_pass_what_is_free():
    budget = Budget(max_usd=0.0)
    with pytest.raises(BudgetExceeded):
        budget.reserve(1, 1e-9)
    budget.reserve(1, 0.0)


def test_threads_cannot_overspend_together():
    budget, barrier, passed, refused = Budget(max_tokens=1000), threading.Barrier(40), [], []

    def spend():
        barrier.wait()
        try:
            budget.reserve(90, 0.001)
            passed.append(90)
        except BudgetExceeded:
            refused.append(90)

    threads = [threading.Thread(target=spend) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert (len(passed), len(refused)) == (11, 29)


def test_repr_shows_the_totals():
    budget = Budget(max_usd=1.5, max_tokens=20_000)
    budget.reserve(2000, 0.5)
    budget.settle(2000, 0.5, 1234, 0.25)
    assert repr(budget) == "Budget(1 calls, 1,234 tokens of 20,000, $0.250000 of $1.500000)"
    assert repr(Budget()) == "Budget(0 calls, 0 tokens, $0.000000)"
    assert repr(Budget(0.0, 0)) == "Budget(0 calls, 0 tokens of 0, $0.000000 of $0.000000)"


# --- through a model -----------------------------------------------------------------------------------------

CALLS = {
    "chat": lambda model: model.chat("Hi"),
    "stream": lambda model: list(model.chat("Hi", stream=True)),
    "chat_each": lambda model: model.chat_each(["a", "b"]),
    "complete": lambda model: model.complete("Hi"),
    "next_tokens": lambda model: model.next_tokens("Hi"),
    "embed": lambda model: model.embed("Hi"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_whose_worst_case_passes_the_tokens_is_not_sent(fake, call):
    model = make_model(fake, Budget(max_tokens=5), provider="vllm", model="fake", embedding_model="fake")
    with pytest.raises(BudgetExceeded, match="was not sent"):
        call(model)
    assert fake.requests == []
    assert (model.budget.spent_tokens, model.budget.num_calls) == (0, 0)


@pytest.mark.parametrize("name", ["chat", "stream", "chat_each", "embed"])
def test_a_call_whose_worst_case_passes_the_dollars_is_not_sent(fake, name):
    with pytest.raises(BudgetExceeded, match="was not sent"):
        CALLS[name](make_model(fake, Budget(max_usd=1e-9)))
    assert fake.requests == []


def test_dollars_with_a_model_of_unknown_price_are_refused_before_a_request(fake):
    with pytest.raises(BudgetExceeded, match="no price is known"):
        make_model(fake, Budget(max_usd=100.0), model="no-such-model").chat("Hi")
    assert fake.requests == []


def test_dollars_with_a_free_model_are_no_obstacle(fake):
    budget = Budget(max_usd=0.0)
    make_model(fake, budget, provider="vllm", model="fake").chat("Hi")
    assert (budget.spent_usd, budget.spent_tokens) == (0.0, 15)


def test_the_worst_case_is_prompt_and_schema_in_bytes_and_all_of_max_tokens(fake):
    worst = bound_tokens("Grüße", "Be brief.", num_messages=2) + 100
    with pytest.raises(BudgetExceeded, match=f"may take {worst} tokens"):
        make_model(fake, Budget(max_tokens=worst - 1)).chat("Grüße", system="Be brief.", max_tokens=100)
    make_model(fake, Budget(max_tokens=worst)).chat("Grüße", system="Be brief.", max_tokens=100)
    assert len(fake.requests) == 1


def test_the_budget_in_the_settings_counts(fake):
    with pytest.raises(BudgetExceeded):
        make_model(fake, budget_tokens=0).chat("Hi")
    with pytest.raises(BudgetExceeded):
        make_model(fake, budget_usd=0.0).chat("Hi")
    assert fake.requests == []


@pytest.mark.parametrize("name", ["chat", "stream", "complete", "embed"])
def test_a_failed_call_gives_its_reservation_back(fake, name):
    fake.faults.append(refuse(401))
    budget = Budget(max_tokens=400)
    model = make_model(fake, budget, provider="vllm", model="fake", embedding_model="fake")
    with pytest.raises(KeyRefused):
        CALLS[name](model)
    assert (budget.spent_tokens, budget.spent_usd) == (0, 0.0)
    budget.reserve(400, 0.0)


def test_a_missing_recording_gives_its_reservation_back(fake, tmp_path):
    budget = Budget(max_tokens=400)
    model = make_model(fake, budget, mode="replay", recordings=tmp_path)
    for _ in range(3):
        with pytest.raises(RecordingMissing):
            model.chat("Hi")
    assert budget.spent_tokens == 0


def test_parallel_calls_of_one_model_stay_within_the_budget(fake):
    fake.hold_until = 3
    worst = bound_tokens("Hi") + 50
    budget = Budget(max_tokens=3 * worst)
    with pytest.raises(BudgetExceeded):
        make_model(fake, budget).chat_each(["Hi"] * 100, parallel=8, max_tokens=50)
    assert fake.most_at_once <= 3
    assert budget.spent_tokens == 15 * len(fake.requests) <= 3 * worst


def test_a_stream_that_nobody_reads_is_not_sent_and_costs_nothing(fake):
    budget = Budget(max_tokens=1000)
    make_model(fake, budget).chat("Hi", stream=True)
    assert fake.requests == []
    budget.reserve(1000, 0.0)


def test_a_stream_that_is_left_early_is_charged(fake):
    """The usage comes last, so it is unknown here; the worst case, or what was read, must stand for it."""
    budget = Budget(max_tokens=1000)
    for _ in make_model(fake, budget).chat("Hi", stream=True):
        break
    assert budget.spent_tokens > 0


@pytest.mark.parametrize("name", ["chat", "stream"])
def test_an_answer_that_states_no_usage_is_not_free(fake, name):
    """Else a server without usage figures makes every budget endless."""
    fake.usage = None
    budget = Budget(max_tokens=1000)
    CALLS[name](make_model(fake, budget))
    assert budget.spent_tokens > 0
