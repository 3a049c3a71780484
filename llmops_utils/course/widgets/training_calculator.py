"""What a training run would cost: sizes in, operations, hours, days, memory and dollars out."""

from __future__ import annotations

import html

import ipywidgets

from ...core import WorkbookError, draw_table
from ...training import PEAK_FLOPS, TOKENS_PER_PARAMETER, UTILISATION, TrainingCost, estimate_cost
from .base import TeachingWidget, style_html

# Ready cases: name, parameters, tokens.
CASES = {
    "this chapter's model": (0.4e6, 0.5e6),
    "SmolLM2-135M": (135e6, 2e12),
    "1 B, balanced": (1e9, TOKENS_PER_PARAMETER * 1e9),
    "7 B, balanced": (7e9, TOKENS_PER_PARAMETER * 7e9),
    "8 B, 15 T tokens": (8e9, 15e12),
    "70 B, 15 T tokens": (70e9, 15e12),
}


class TrainingCalculator(TeachingWidget):
    """Choose sizes and a card; see what training them would take.

    Args:
        usd_per_gpu_hour: the price that the table and the first view assume.
        own_case: parameters and tokens of a run of the notebook, shown in place of the first ready case.
    """

    def __init__(self, usd_per_gpu_hour: float = 2.5, own_case: tuple[float, float] | None = None) -> None:
        self.cases = dict(CASES)
        if own_case is not None:
            self.cases["this chapter's model"] = own_case
        self.case = ipywidgets.Dropdown(options=list(self.cases), value="SmolLM2-135M", description="case")
        self.parameters = ipywidgets.FloatText(description="parameters")
        self.tokens = ipywidgets.FloatText(description="tokens")
        self.gpu = ipywidgets.Dropdown(options=list(PEAK_FLOPS), value="H100", description="card")
        self.utilisation = ipywidgets.FloatSlider(UTILISATION, min=0.05, max=0.7, step=0.05, description="utilisation")
        self.price = ipywidgets.FloatText(usd_per_gpu_hour, description="$ per hour")
        self.num_gpus = ipywidgets.IntText(64, description="cards")
        self._view = ipywidgets.HTML()
        controls = [self.parameters, self.tokens, self.gpu, self.utilisation, self.price, self.num_gpus]
        self.case.observe(lambda _: self._fill_case(), names="value")
        for control in controls:
            control.observe(lambda _: self.show(), names="value")
        costs = {name: estimate_cost(*sizes, usd_per_gpu_hour=usd_per_gpu_hour) for name, sizes in self.cases.items()}
        summary = (
            f"Training calculator: {len(costs)} ready cases on H100 cards at {UTILISATION:.0%} of their peak and "
            f"{usd_per_gpu_hour:g} dollars an hour, from {_tell(min(one.usd for one in costs.values()))} to "
            f"{_tell(max(one.usd for one in costs.values()))}."
        )
        static = self._tell_all(costs, usd_per_gpu_hour)
        # The ready cases stand below the controls too: the text of the notebook speaks of them.
        cases = ipywidgets.HTML(style_html(static))
        super().__init__([self.case, *controls, self._view, cases], summary, static)
        self._fill_case()

    def _fill_case(self) -> None:
        self.parameters.value, self.tokens.value = self.cases[self.case.value]
        self.show()

    def estimate(self) -> TrainingCost:
        """Return the estimate for what the controls say. Raises `DataError` where they say nothing possible."""
        return estimate_cost(
            self.parameters.value, self.tokens.value, self.gpu.value, self.utilisation.value, self.price.value
        )

    def show(self) -> None:
        """Show the estimate, or what is wrong with the numbers."""
        try:
            cost = self.estimate()
            days = cost.count_days(self.num_gpus.value)
        except WorkbookError as error:
            self._view.value = style_html(f"<p role='status'>{html.escape(str(error))}</p>")
            return
        rows = {
            "operations": f"{cost.flops:.2e}",
            "card hours": f"{cost.gpu_hours:,.2f}",
            f"days on {self.num_gpus.value:,} cards": f"{days:,.2f}",
            "dollars": _tell(cost.usd),
            "memory for weights and optimiser": f"{cost.memory_gb:,.2f} GB",
            "tokens per parameter": f"{cost.tokens_per_parameter:,.1f}",
        }
        self._view.value = style_html(draw_table((), rows.items(), align="lr"))

    def _tell_all(self, costs: dict[str, TrainingCost], usd_per_gpu_hour: float) -> str:
        rows = []
        for name, cost in costs.items():
            large = (f"{number:.2e}" for number in (*self.cases[name], cost.flops))
            rows.append((name, *large, *map(_tell, (cost.gpu_hours, cost.usd, cost.memory_gb))))
        heads = ["case", "parameters", "tokens", "operations", "H100 hours", "dollars", "GB to train"]
        caption = f"Training calculator: H100 at {UTILISATION:.0%} of its peak, {usd_per_gpu_hour:g} dollars an hour"
        return draw_table(heads, rows, caption, align="lr")


def _tell(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"
