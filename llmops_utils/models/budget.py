"""What calls cost, and a budget that stops a call before it is sent."""

from __future__ import annotations

import functools
import threading

from ..core import BudgetExceeded, DataError
from .catalog import Provider


def compute_cost(provider: Provider, model: str, prompt_tokens: int, completion_tokens: int) -> float | None:
    """Return the price of a call in dollars, 0.0 for a model on your own machine, None where no price is known.

    Source: the table that ships with the package genai-prices.
    """
    if provider.is_free:
        return 0.0
    known_as = {"gemini": "google", "custom": None}.get(provider.id, provider.id)
    try:
        return _look_up_price(known_as, model, prompt_tokens, completion_tokens)
    except LookupError:
        return None


def price_tokens(provider: str, model: str, prompt_tokens: float, completion_tokens: float) -> float:
    """Return the list price in dollars of a call's tokens, which may be averages and therefore fractions.

    Where prices rise with the length of the prompt, it is that of a short one. Raises `LookupError` where none is known.
    """
    read = _look_up_price(provider, model, 1000, 0) / 1000
    written = _look_up_price(provider, model, 0, 1000) / 1000
    return prompt_tokens * read + completion_tokens * written


@functools.lru_cache
def _look_up_price(provider: str | None, model: str, prompt_tokens: int, completion_tokens: int) -> float:
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens)
    return float(calc_price(usage, model_ref=model, provider_id=provider).total_price)


def bound_tokens(*texts: str, num_messages: int = 1) -> int:
    """Return a number of tokens that the texts cannot exceed; English texts have about four times fewer.

    Byte-level tokenizers make at most one token per byte of UTF-8; a chat template adds a few per message.
    """
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) + 16 * num_messages + 32


class Budget:
    """A limit in dollars, in tokens (prompts and replies together), both or none, and the running total.

    Safe to share between threads.
    """

    def __init__(self, max_usd: float | None = None, max_tokens: int | None = None) -> None:
        if not all(limit is None or limit >= 0 for limit in (max_usd, max_tokens)):  # nan is no limit at all
            raise DataError("A limit of the budget is not a number from 0 on.", "Give one, or None for no limit.")
        self.max_usd = max_usd
        self.max_tokens = max_tokens
        self.spent_usd = 0.0
        self.spent_tokens = 0
        self.num_calls = 0
        self._reserved_usd = 0.0
        self._reserved_tokens = 0
        self._num_reserved = 0
        self._change = threading.Condition()

    def reserve(self, tokens: int, usd: float | None) -> None:
        """Set aside the worst case of a call that is about to be sent.

        Where only the worst cases of calls under way stand in its way, it waits: most of them take far less.

        Raises:
            BudgetExceeded: it would pass a limit, or there is a limit in dollars and no price is known.
        """
        if self.max_usd is not None and usd is None:
            raise BudgetExceeded(
                "There is a budget in dollars, but no price is known for this model. The call was not sent.",
                "Use a budget in tokens instead, where it was set (Budget or LLMOPS_BUDGET_TOKENS).",
            )
        with self._change:
            while self._find_excess(self._reserved_tokens + tokens, self._reserved_usd + (usd or 0.0)):
                excess = self._find_excess(tokens, usd or 0.0)
                if excess is not None:
                    worst_case, setting = excess
                    raise BudgetExceeded(
                        f"This call may {worst_case} are spent or set aside. It was not sent.",
                        f"Shorten the prompt, lower max_tokens, or raise the limit where it was set ({setting}).",
                    )
                self._change.wait()
            self._num_reserved += 1
            self._reserved_tokens += tokens
            self._reserved_usd += usd or 0.0

    def _find_excess(self, tokens: int, usd: float) -> tuple[str, str] | None:
        """Return in words which limit so much more would pass, and its setting; None where it passes none."""
        if self.max_tokens is not None and self.spent_tokens + tokens > self.max_tokens:
            return f"take {tokens} tokens; {self.spent_tokens} of {self.max_tokens}", "Budget or LLMOPS_BUDGET_TOKENS"
        if self.max_usd is not None and self.spent_usd + usd > self.max_usd:
            return f"cost {usd:.6f} dollars; {self.spent_usd:.6f} of {self.max_usd:.6f}", "Budget or LLMOPS_BUDGET_USD"
        return None

    def settle(self, reserved_tokens: int, reserved_usd: float | None, tokens: int, usd: float | None) -> None:
        """Replace a reservation by what the call took: 0 where nothing was done, the worst case where nobody knows."""
        with self._change:
            self._reserved_tokens -= reserved_tokens
            self._num_reserved -= 1
            # Sums of fractions leave a rest, for which a call would wait for ever.
            self._reserved_usd = self._reserved_usd - (reserved_usd or 0.0) if self._num_reserved else 0.0
            self.spent_tokens += tokens
            self.spent_usd += usd or 0.0
            self.num_calls += 1
            self._change.notify_all()

    def __repr__(self) -> str:
        tokens = f"{self.spent_tokens:,} tokens" + (f" of {self.max_tokens:,}" if self.max_tokens is not None else "")
        dollars = f"${self.spent_usd:.6f}" + (f" of ${self.max_usd:.6f}" if self.max_usd is not None else "")
        return f"Budget({self.num_calls} calls, {tokens}, {dollars})"
