"""Calculators and a decision aid: how many examples a claim needs, what training costs, and how to adapt a model."""

import html
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import ipywidgets

from ...core import DataError, Html, WorkbookError, draw_table
from ...evaluation import compute_power, find_num_examples
from ...training import PEAK_FLOPS, TOKENS_PER_PARAMETER, estimate_cost
from .base import TeachingWidget, follow, label

NUMS = (12, 25, 50, 100, 200, 400)
EFFECTS = ((0.30, 0.10), (0.20, 0.10), (0.15, 0.05), (0.10, 0.05), (0.06, 0.02))
POWERS = (0.5, 0.8, 0.9)

# Ready cases: name, parameters, tokens.
CASES = {
    "SmolLM2-135M": (135e6, 2e12),
    "1 B, balanced": (1e9, TOKENS_PER_PARAMETER * 1e9),
    "7 B, balanced": (7e9, TOKENS_PER_PARAMETER * 7e9),
    "8 B, 15 T tokens": (8e9, 15e12),
    "70 B, 15 T tokens": (70e9, 15e12),
}
RULES = Path(__file__).parents[1] / "adaptation.toml"


class PowerCalculator(TeachingWidget):
    """The power of a comparison of two systems on the same examples, with the exact McNemar test at 5 %."""

    repeats_static = True

    def __init__(self) -> None:
        self.gained = _build_slider(20, 1, 60, "gained, % of examples")
        self.lost = _build_slider(10, 0, 40, "lost, % of examples")
        self.num = _build_slider(100, 5, 1000, "examples")
        powers = [(f"{power:.0%}", power) for power in POWERS]
        self.power = ipywidgets.Dropdown(options=powers, value=0.8, **label("power that you want", "12em"))
        gained, lost = EFFECTS[0]
        summary = (
            f"Power calculator: {len(EFFECTS)} effects. With {gained:.0%} of the examples gained and {lost:.0%} "
            f"lost, {find_num_examples(gained, lost)} examples give a power of 80%."
        )
        controls = [self.gained, self.lost, self.num, self.power]
        super().__init__(summary, _tabulate_effects(), controls)

    def _draw(self) -> str:
        gained, lost, num = self.gained.value / 100, self.lost.value / 100, self.num.value
        found = f"<strong>{compute_power(num, gained, lost):.0%}</strong>"
        try:
            needed = find_num_examples(gained, lost, self.power.value)
            then = f"For {self.power.value:.0%} it needs <strong>{needed}</strong> examples."
        except WorkbookError as error:
            then = html.escape(str(error))
        told = f"With {num} examples a measurement finds this difference with a probability of {found}. {then}"
        points = f"{100 * (gained - lost):+.0f} points"
        row = ("power", *(f"{compute_power(one, gained, lost):.0%}" for one in NUMS))
        return (
            f"<p role='status'>{told}</p>"
            f"<p>The score changes by {points}; {gained + lost:.0%} of the examples flip.</p>"
        ) + draw_table(("examples", *NUMS), [row], align="lr", has_row_heads=True)


def _build_slider(value: int, low: int, high: int, text: str) -> ipywidgets.IntSlider:
    return ipywidgets.IntSlider(value, low, high, continuous_update=False, **label(text, "12em", width="30em"))


def _tabulate_effects() -> str:
    rows = []
    for gained, lost in EFFECTS:
        powers = (f"{compute_power(num, gained, lost):.0%}" for num in NUMS)
        points = f"{100 * (gained - lost):+.0f}"
        rows.append((f"{gained:.0%}", f"{lost:.0%}", points, *powers, find_num_examples(gained, lost)))
    heads = ["gained", "lost", "points", *(f"n = {num}" for num in NUMS), "examples for 80 %"]
    caption = "Power calculator: how often a true difference is found, by the number of examples"
    return draw_table(heads, rows, caption, align="r")


class TrainingCalculator(TeachingWidget):
    """Choose sizes and a card; see the operations, hours, days, memory and dollars that training them would take.

    `utilisation` is the share of a card's peak with which the table is calculated and the slider begins.
    """

    repeats_static = True

    def __init__(self, usd_per_gpu_hour: float, utilisation: float) -> None:
        self.case = ipywidgets.Dropdown(options=list(CASES), **label("case"))
        sizes = CASES[self.case.value]
        self.parameters = ipywidgets.FloatText(sizes[0], **label("parameters"))
        self.tokens = ipywidgets.FloatText(sizes[1], **label("tokens"))
        self.gpu = ipywidgets.Dropdown(options=list(PEAK_FLOPS), value="H100", **label("card"))
        self.utilisation = ipywidgets.FloatSlider(utilisation, min=0.05, max=0.7, step=0.01, **label("utilisation"))
        self.price = ipywidgets.FloatText(usd_per_gpu_hour, **label("$ per hour"))
        self.num_gpus = ipywidgets.IntText(64, **label("cards"))
        rows, dollars = [], []
        for name, sizes in CASES.items():
            cost = estimate_cost(*sizes, utilisation=utilisation, usd_per_gpu_hour=usd_per_gpu_hour)
            large = (f"{number:.2e}" for number in (*sizes, cost.flops))
            rows.append((name, *large, *map(_spell, (cost.gpu_hours, cost.usd, cost.memory_gb))))
            dollars.append(cost.usd)
        summary = (
            f"Training calculator: {len(rows)} ready cases on H100 cards at {utilisation:.0%} of their peak and "
            f"{usd_per_gpu_hour:g} dollars an hour, from {_spell(min(dollars))} to {_spell(max(dollars))}."
        )
        heads = ["case", "parameters", "tokens", "operations", "H100 hours", "dollars", "GB to train"]
        caption = f"Training calculator: H100 at {utilisation:.0%} of its peak, {usd_per_gpu_hour:g} dollars an hour"
        controls = [self.parameters, self.tokens, self.gpu, self.utilisation, self.price, self.num_gpus]
        follow(self._fill_case, self.case)
        super().__init__(summary, draw_table(heads, rows, caption, align="lr"), [self.case, *controls])

    def _fill_case(self) -> None:
        self.parameters.value, self.tokens.value = CASES[self.case.value]

    def _draw(self) -> str:
        sizes = self.parameters.value, self.tokens.value
        cost = estimate_cost(*sizes, self.gpu.value, self.utilisation.value, self.price.value)
        rows = {
            "operations": f"{cost.flops:.2e}",
            "card hours": f"{cost.gpu_hours:,.2f}",
            f"days on {self.num_gpus.value:,} cards": f"{cost.count_days(self.num_gpus.value):,.2f}",
            "dollars": _spell(cost.usd),
            "memory for weights and optimiser": f"{cost.memory_gb:,.2f} GB",
            "tokens per parameter": f"{cost.tokens_per_parameter:,.1f}",
        }
        return draw_table((), rows.items(), align="lr")


def _spell(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"


# What decides between the ways: how it is told, and what there is to choose.
FACTS = {
    "lacks": ("answers lack", ("knowledge", "form", "language")),
    "changes": ("facts change", ("daily", "yearly")),
    "num_examples": ("fitting text", ("none", "dozens", "thousands", "billions of tokens")),
    "sources": ("sources are", ("needed", "not needed")),
    "requests": ("requests", ("few", "millions a month")),
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
        for name, (_, allowed) in FACTS.items():
            if getattr(self, name) not in allowed:
                raise DataError(f"{name} is “{getattr(self, name)}”.", f"Choose one of {', '.join(allowed)}.")


@dataclass
class Advice:
    """A way, whether its data is there, and the reasons for it and against it, each of which counts one point."""

    way: str
    needs: str
    is_possible: bool = True
    pros: list[str] = field(default_factory=list)
    cons: list[str] = field(default_factory=list)

    @property
    def points(self) -> int:
        """Reasons for less reasons against."""
        return len(self.pros) - len(self.cons)


def rank_ways(situation: Situation) -> list[Advice]:
    """Return all four ways by the rules in adaptation.toml, the best first, at equal points the cheaper one.

    A way for which the data is missing comes last, whatever else speaks for it.
    """
    table = tomllib.loads(RULES.read_text(encoding="utf-8"))
    ways = {way: Advice(way, needs) for way, needs in table["needs"].items()}
    for fact, values, way, mark, reason in table["rules"]["reasons"]:
        if not fact or getattr(situation, fact) in values:
            (ways[way].pros if mark == "+" else ways[way].cons).append(reason)
            ways[way].is_possible &= mark != "!"
    return sorted(ways.values(), key=lambda one: (not one.is_possible, -one.points))


class AdaptationChooser(TeachingWidget):
    """Prompt, retrieve, fine-tune or train: answer five menus, and see the four ways in order, with their reasons.

    Ready situations by name make the static table; the first one is shown at the start.
    """

    def __init__(self, ready: Mapping[str, Situation]) -> None:
        first = next(iter(ready.values()))
        self.menus = {
            name: ipywidgets.Dropdown(options=list(options), value=getattr(first, name), **label(told, "8em"))
            for name, (told, options) in FACTS.items()
        }
        rows, best = [], []
        for name, situation in ready.items():
            ways = rank_ways(situation)
            order = ", ".join(f"{one.way} ({one.points:+d})" for one in ways if one.is_possible)
            facts = "; ".join(f"{told} {getattr(situation, fact)}" for fact, (told, _) in FACTS.items())
            rows.append((name, facts, order, "; ".join(ways[0].pros)))
            best.append(f"{name}: {ways[0].way}")
        heads = ("situation", "facts", "possible ways, best first", "why the first")
        caption = "Adaptation chooser: ready situations, with reasons for less reasons against"
        summary = f"Adaptation chooser, what comes first in {len(ready)} situations: {'; '.join(best)}."
        super().__init__(summary, draw_table(heads, rows, caption), list(self.menus.values()))

    def _draw(self) -> str:
        rows = []
        for one in rank_ways(Situation(**{name: menu.value for name, menu in self.menus.items()})):
            parts = [f"needs {html.escape(one.needs)}"]
            parts += [f"<strong>+</strong> {html.escape(reason)}" for reason in one.pros]
            parts += [f"<strong>−</strong> {html.escape(reason)}" for reason in one.cons]
            rows.append((one.way, Html("<br>".join(parts))))
        return draw_table(("way", "reasons"), rows)
