"""Traffic with an incident in it, drawn from what the model really answered to the course's messages."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core import DataError
from ..datasets import Record, load_messages, load_records
from ..evaluation import PRICED_AT
from ..models import price_tokens
from .monitor import Request

# What happens, in the words of the chapter, by name.
INCIDENTS = {
    "none": "nothing happens",
    "coarser model": "the provider serves coarser weights under the same name",
    "loose model": "the provider's new version no longer keeps to the list of labels",
    "prompt": "a change of the prompt that saves tokens goes out without the gate",
    "questions": "a strike at the parcel service: half of all messages ask for parcels",
}
DRIFT_INTENT, DRIFT_SHARE = "delivery", 0.5
SWING = 0.5  # by how much of itself each kind of question comes more and less often in the course of a day


@dataclass(frozen=True)
class Served(Record):
    """A message as one set-up answered it; `data/README.md` says how the set-ups differ."""

    source: Literal["production", "coarser model", "changed prompt", "loose model"]
    message: str
    cluster: str
    answer: str
    score: float
    latency_s: float
    prompt_tokens: int
    completion_tokens: int


def load_traffic() -> dict[str, list[Served]]:
    """Return the answers of each set-up, by its name, in the order of the messages. Raises `DataError`."""
    traffic: dict[str, list[Served]] = {}
    for one in load_records(Served, "traffic.csv"):
        traffic.setdefault(one.source, []).append(one)
    return traffic


def simulate_traffic(
    traffic: dict[str, list[Served]],
    num: int,
    incident: str = "none",
    start: int = 0,
    share_graded: float = 0.2,
    seed: int = 0,
    day: int = 0,
) -> list[Request]:
    """Return a stream of `num` requests: messages drawn at random with replacement, each as it was really answered.

    From the request number `start` on, counted from 0, the incident happens, a key of `INCIDENTS`. A share of the
    answers in [0, 1], drawn at random, is graded by a person. With `day`, as many requests make a day, in which each kind
    of question has hours of its own; in the whole of a day all come as often as without. Raises `DataError` for other
    incidents.
    """
    if incident not in INCIDENTS:
        raise DataError(f"There is no incident “{incident}”.", f"Choose one of {', '.join(INCIDENTS)}.")
    random = np.random.default_rng(seed)
    usual = traffic["production"]
    places = _draw_places(usual, num, day, random) if day else random.integers(0, len(usual), num)
    has_begun = np.arange(num) >= start
    if incident == "questions":
        intents = {message.id: message.intent for message in load_messages()}
        wanted = [place for place, one in enumerate(usual) if intents[one.message] == DRIFT_INTENT]
        is_drifted = (random.random(num) < DRIFT_SHARE) & has_begun
        places = np.where(is_drifted, np.array(wanted)[random.integers(0, len(wanted), num)], places)
    is_graded = random.random(num) < share_graded
    answered_by = {"none": "production", "questions": "production", "prompt": "changed prompt"}
    changed = traffic[answered_by.get(incident, incident)]
    return [
        _make_request((changed if begun else usual)[place], bool(graded))
        for place, begun, graded in zip(places, has_begun, is_graded, strict=True)
    ]


def _draw_places(usual: list[Served], num: int, day: int, random: np.random.Generator) -> np.ndarray:
    clusters = sorted({one.cluster for one in usual})
    begins = np.array([clusters.index(one.cluster) for one in usual]) / len(clusters)
    chances = 1 + SWING * np.sin(2 * np.pi * (np.arange(24)[:, None] / 24 + begins))
    bounds = np.cumsum(chances, axis=1) / chances.sum(axis=1, keepdims=True)
    hours = np.arange(num) * 24 // day % 24
    return (random.random(num)[:, None] >= bounds[hours, :-1]).sum(axis=1)


@functools.lru_cache(maxsize=4096)
def _make_request(one: Served, is_graded: bool) -> Request:
    tokens = (one.prompt_tokens, one.completion_tokens)
    score = one.score if is_graded else None
    usd = price_tokens(*PRICED_AT, *tokens)
    return Request(one.cluster, one.answer, one.latency_s, *tokens, usd, one.answer == "none", score)
