"""Prompt, retrieve, fine-tune or train: which of the four fits a situation, and why. Rules of thumb, all visible."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core import DataError

# What each way needs before its first use, cheapest first. Figures stand in the chapter where they are measured.
WAYS = {
    "prompt": "minutes; no data beyond a few examples; the model stays as it is",
    "retrieve": "days; your documents, cut and indexed; the model stays as it is",
    "fine-tune": "days to weeks; hundreds of good examples; new weights to keep, test and serve",
    "train": "months; billions of tokens and a budget for many cards; everything is yours, faults too",
}
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
    ways = {way: Advice(way, needs) for way, needs in WAYS.items()}
    pro = {way: one.reasons_for for way, one in ways.items()}
    contra = {way: one.reasons_against for way, one in ways.items()}
    pro["prompt"].append("it is tried in minutes, and it is the baseline for all others")
    if situation.lacks == "knowledge":
        pro["retrieve"].append("facts in the prompt can be read off; facts in weights are recalled unreliably")
        contra["prompt"].append("what the model does not know must stand in every prompt")
        contra["fine-tune"].append("it teaches manner more surely than facts")
    elif situation.lacks == "form":
        pro["prompt"].append("instructions and examples change the form at once")
        pro["fine-tune"].append("many examples of the wanted form are what it learns from best")
        contra["retrieve"].append("documents do not change the manner of an answer")
    else:
        pro["train"].append("a model cannot be prompted into a language that it has never read")
        pro["fine-tune"].append("continued training on such text may be enough, for a thousandth of the cost")
        contra["prompt"].append("it can only call up what is there")
        contra["retrieve"].append("the model cannot read what is found either")
    if situation.changes == "daily":
        pro["retrieve"].append("a changed page is in the next answer")
        contra["fine-tune"].append("it is out of date with the next change")
        contra["train"].append("it is out of date before it is done")
    if situation.sources == "needed":
        pro["retrieve"].append("the page that was used can be shown")
        contra["fine-tune"].append("weights do not say where an answer comes from")
        contra["train"].append("weights do not say where an answer comes from")
    if situation.requests == "millions a month":
        pro["fine-tune"].append("a short prompt on a small model saves with every request")
        contra["prompt"].append("a long prompt is paid for with every request")
    if situation.num_examples in ("none", "dozens"):
        ways["fine-tune"].is_possible = False
        contra["fine-tune"].append("there are too few examples: it would learn them by heart")
    else:
        pro["fine-tune"].append("there is something to learn from")
    if situation.num_examples == "billions of tokens":
        pro["train"].append("there is enough text, which is rare")
    else:
        ways["train"].is_possible = False
        contra["train"].append("there is far too little text")
    contra["train"].append("it costs the most, and most of what it buys can be had in open weights")
    order = list(WAYS)
    return sorted(ways.values(), key=lambda one: (not one.is_possible, -one.points, order.index(one.way)))
