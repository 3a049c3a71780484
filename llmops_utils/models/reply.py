"""What a model call returns: text, price and provenance."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Provenance:
    """Where an answer comes from: `source` is the weights' checksum or the provider's host."""

    model: str
    source: str
    mode: str
    seed: int | None = None
    recorded: str = ""

    def __str__(self) -> str:
        recorded = f" of {self.recorded}" if self.recorded else ""
        seed = f", seed {self.seed}" if self.seed is not None else ""
        return f"{self.model} ({self.source}{seed}), {self.mode}{recorded}"

    @property
    def without_seed(self) -> Provenance:
        """The same without the seed: what the replies of a whole run have in common."""
        return replace(self, seed=None)


@dataclass(frozen=True)
class Token:
    """A piece of text as the model reads it, and its number in the vocabulary."""

    id: int
    text: str


@dataclass(frozen=True)
class TokenChance:
    """A token, the probability that the model gave it, and the likeliest tokens at that place."""

    text: str
    probability: float
    alternatives: tuple[TokenChance, ...] = ()


def read_chance(entry: dict) -> TokenChance:
    """Return a token with its probability from an entry of `logprobs` in a chat completion."""
    others = tuple(read_chance(other) for other in entry.get("top_logprobs") or [])
    return TokenChance(entry["token"], math.exp(entry["logprob"]), others)


def read_piece(piece: str | list[int]) -> str:
    """Return a token's text; llama.cpp gives bytes where a token is a part of a character."""
    return piece if isinstance(piece, str) else bytes(piece).decode("utf-8", "replace")


@dataclass(frozen=True)
class Reply:
    """One answer of a model.

    Attributes:
        latency_s: seconds from request to complete answer; in replay the recorded ones.
        cost_usd: dollars at list price, 0.0 on your own machine, None where no price is known.
        finish_reason: "stop" where the model ended by itself, "length" where max_tokens cut it off.
        parsed: the value that a schema or choices asked for, else None.
        tokens: each written token with its probability, where logprobs were asked for.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    cost_usd: float | None
    provenance: Provenance
    finish_reason: str = "stop"
    parsed: object = None
    tokens: tuple[TokenChance, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.text

    @property
    def price(self) -> str:
        """Tokens, seconds and dollars in one line."""
        cost = "price unknown" if self.cost_usd is None else "$0" if self.cost_usd == 0 else f"${self.cost_usd:.6f}"
        cut = " (cut off at max_tokens)" if self.finish_reason == "length" else ""
        return f"{self.prompt_tokens} + {self.completion_tokens} tokens{cut} · {self.latency_s:.2f} s · {cost}"

    def _repr_html_(self) -> str:
        return (
            '<div style="border-left:3px solid #888;padding:.2em .8em;margin:.3em 0">'
            f'<div style="white-space:pre-wrap">{html.escape(self.text) or "<em>(empty reply)</em>"}</div>'
            f'<div style="opacity:.7;font-size:85%;margin-top:.4em">{html.escape(self.price)}<br>'
            f"{html.escape(str(self.provenance))}</div></div>"
        )
