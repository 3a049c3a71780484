"""Prompt, retrieve, fine-tune or train: which of the four fits a situation, by the rules of thumb in adaptation.toml."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from ..core import DataError

CHOICES = {
    "lacks": ("knowledge", "form", "language"),
    "changes": ("daily", "yearly"),
    "num_examples": ("none", "dozens", "thousands", "billions of tokens"),
    "sources": ("needed", "not needed"),
    "requests": ("few", "millions a month"),
}


@dataclass(frozen=True)
class Situation:
    """What decides.

    Attributes:
        lacks: what the model's answers lack: knowledge of your facts, the form or manner you want, or a language or
            field of which it knows hardly a word.
        changes: how often the facts change.
        num_examples: how much fitting text or how many solved examples you have.
        sources: whether an answer has to say where it comes from.
        requests: how many there are; many make a short prompt and a small model worth their making.
    """

    lacks: str = "knowledge"
    changes: str = "daily"
    num_examples: str = "dozens"
    sources: str = "needed"
    requests: str = "few"

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise DataError(f"{name} is “{getattr(self, name)}”.", f"Choose one of {', '.join(allowed)}.")


@dataclass
class Advice:
    """A way with its reasons; each reason counts one point."""

    way: str
    needs: str
    reasons_for: list[str] = field(default_factory=list)
    reasons_against: list[str] = field(default_factory=list)
    is_possible: bool = True

    @property
    def points(self) -> int:
        """Reasons for less reasons against."""
        return len(self.reasons_for) - len(self.reasons_against)


def rank_ways(situation: Situation) -> list[Advice]:
    """Return all four ways, the best first; where two have equally many points, the cheaper one comes first.

    A way for which the data is missing comes last, whatever else speaks for it.
    """
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    ways = {way: Advice(way, needs) for way, needs in table["needs"].items()}
    for fact, values, way, mark, reason in table["rules"]["reasons"]:
        if fact and getattr(situation, fact) not in values:
            continue
        advice = ways[way]
        reasons = advice.reasons_for if mark == "+" else advice.reasons_against
        reasons.append(reason)
        advice.is_possible = advice.is_possible and mark != "!"
    return sorted(ways.values(), key=lambda one: (not one.is_possible, -one.points))
