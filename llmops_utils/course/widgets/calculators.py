"""Calculators and a decision aid: how many examples a claim needs, what training costs, and how to adapt a model."""

import html
from collections.abc import Mapping

import ipywidgets

from ...core import Html, WorkbookError, draw_table
from ...evaluation import compute_power, find_num_examples
from ...training import PEAK_FLOPS, TOKENS_PER_PARAMETER, TrainingCost, estimate_cost
from ..adaptation import CHOICES, Advice, Situation, rank_ways
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

LABELS = {
    "lacks": "answers lack",
    "changes": "facts change",
    "num_examples": "fitting text",
    "sources": "sources are",
    "requests": "requests",
}


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
        super().__init__([*controls, self.view], summary, _tabulate_effects(), controls)

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
        price = {"utilisation": utilisation, "usd_per_gpu_hour": usd_per_gpu_hour}
        costs = {name: estimate_cost(*sizes, **price) for name, sizes in CASES.items()}
        prices = [cost.usd for cost in costs.values()]
        summary = (
            f"Training calculator: {len(costs)} ready cases on H100 cards at {utilisation:.0%} of their peak and "
            f"{usd_per_gpu_hour:g} dollars an hour, from {_spell(min(prices))} to {_spell(max(prices))}."
        )
        of_peak = f"H100 at {utilisation:.0%} of its peak, {usd_per_gpu_hour:g} dollars an hour"
        static = self._tabulate(costs, of_peak)
        controls = [self.parameters, self.tokens, self.gpu, self.utilisation, self.price, self.num_gpus]
        super().__init__([self.case, *controls, self.view], summary, static, controls)
        follow(self._fill_case, self.case)

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

    def _tabulate(self, costs: Mapping[str, TrainingCost], of_peak: str) -> str:
        rows = []
        for name, cost in costs.items():
            large = (f"{number:.2e}" for number in (*CASES[name], cost.flops))
            rows.append((name, *large, *map(_spell, (cost.gpu_hours, cost.usd, cost.memory_gb))))
        heads = ["case", "parameters", "tokens", "operations", "H100 hours", "dollars", "GB to train"]
        return draw_table(heads, rows, f"Training calculator: {of_peak}", align="lr")


def _spell(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"


class AdaptationChooser(TeachingWidget):
    """Prompt, retrieve, fine-tune or train: answer five menus, and see the four ways in order, with their reasons.

    Ready situations by name make the static table; the first one is shown at the start.
    """

    def __init__(self, ready: Mapping[str, Situation]) -> None:
        first = next(iter(ready.values()))
        self.menus = {
            name: ipywidgets.Dropdown(options=list(options), value=getattr(first, name), **label(LABELS[name], "8em"))
            for name, options in CHOICES.items()
        }
        told = "; ".join(f"{name}: {rank_ways(situation)[0].way}" for name, situation in ready.items())
        summary = f"Adaptation chooser, what comes first in {len(ready)} situations: {told}."
        menus = list(self.menus.values())
        super().__init__([*menus, self.view], summary, _tabulate_situations(ready), menus)

    def _draw(self) -> str:
        situation = Situation(**{name: menu.value for name, menu in self.menus.items()})
        rows = [(one.way, _tell_reasons(one)) for one in rank_ways(situation)]
        return draw_table(("way", "reasons"), rows)


def _tabulate_situations(ready: Mapping[str, Situation]) -> str:
    rows = []
    for name, situation in ready.items():
        ways = rank_ways(situation)
        order = ", ".join(f"{one.way} ({one.points:+d})" for one in ways if one.is_possible)
        facts = "; ".join(f"{LABELS[field]} {getattr(situation, field)}" for field in CHOICES)
        rows.append((name, facts, order, "; ".join(ways[0].reasons_for)))
    heads = ("situation", "facts", "possible ways, best first", "why the first")
    return draw_table(heads, rows, "Adaptation chooser: ready situations, with reasons for less reasons against")


def _tell_reasons(one: Advice) -> Html:
    parts = [f"needs {html.escape(one.needs)}"]
    parts += [f"<strong>+</strong> {html.escape(reason)}" for reason in one.reasons_for]
    parts += [f"<strong>−</strong> {html.escape(reason)}" for reason in one.reasons_against]
    return Html("<br>".join(parts))
