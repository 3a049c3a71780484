"""Models looked at: choose a provider, grow a text token by token, weigh the options, explore a table of models."""

import html
from collections.abc import Callable, Mapping, Sequence

import ipywidgets
import numpy as np

from ...choosing import measure_stability, rank_options
from ...core import Html, WorkbookError, draw_table
from ...models import Model, load_catalog
from .base import TeachingWidget, label, make_button, say, shorten
from .pictures import draw_bar, draw_bars

MODES = {
    "live": "ask the model",
    "replay": "answer from the recordings, no model and no network",
    "auto": "from a recording where there is one, else ask",
    "record": "ask, and store each answer as a recording",
}
NUM_TOKENS, NUM_SHOWN = 40, 10  # of the likeliest
SPREAD = 0.5  # by which weights move at random at first
ANY = "any"


class ProviderChooser(TeachingWidget):
    """Two menus, a provider and a mode, and below them the lines that go into `.env`."""

    def __init__(self) -> None:
        titles = [(entry.title, entry.id) for entry in load_catalog().providers.values()]
        modes = [(f"{name}: {text}", name) for name, text in MODES.items()]
        self.provider = ipywidgets.Dropdown(options=titles, value="embedded", **label("provider", "6em"))
        self.mode = ipywidgets.Dropdown(options=modes, **label("mode", "6em", width="32em"))
        summary = f"Provider chooser: {len(titles)} providers, {len(MODES)} modes, and the lines for .env."
        controls = [self.provider, self.mode]
        super().__init__([*controls, self.view], summary, self._tabulate(), controls)

    def make_lines(self) -> list[str]:
        """Return the lines for `.env` that select what the menus show."""
        entry = load_catalog().find_provider(self.provider.value)
        lines = [f"LLMOPS_MODE={self.mode.value}", f"LLMOPS_PROVIDER={entry.id}"]
        if entry.id == "custom":
            lines += ["LLMOPS_BASE_URL=http://127.0.0.1:8000/v1", "LLMOPS_MODEL=the name of the model there"]
        elif entry.id != "embedded":
            lines.append(f"LLMOPS_MODEL={entry.default_model}")
        if entry.key_variable and self.mode.value != "replay":
            lines.append(f"{entry.key_variable}=(your key)")
        return lines

    def _draw(self) -> str:
        entry = load_catalog().find_provider(self.provider.value)
        price = "Costs nothing." if entry.is_free else "Costs money by the token." if entry.key_variable else ""
        lacks = [name for name, can in entry.capabilities.items() if not can]
        missing = f" Cannot: {', '.join(lacks)}." if lacks else ""
        then = "Save as <code>.env</code> beside README.md, then restart the kernel."
        lines = "\n".join(self.make_lines())
        return f"<pre>{html.escape(lines)}</pre><p>{html.escape(price + missing)} {then}</p>"

    def _tabulate(self) -> str:
        rows = []
        for entry in load_catalog().providers.values():
            codes = (entry.id, entry.default_model or "—", entry.key_variable or "—")
            rows.append((entry.title, *(Html(f"<code>{html.escape(code)}</code>") for code in codes)))
        return draw_table(("provider", "LLMOPS_PROVIDER", "default model", "key"), rows)


class NextTokenExplorer(TeachingWidget):
    """Generation step by step from a prompt. The sliders reshape the distribution without asking the model again.

    `shape` turns probabilities of shape (n,), a temperature and a top-p into probabilities of shape (n,).
    """

    def __init__(self, model: Model, prompt: str, shape: Callable[[np.ndarray, float, float], np.ndarray]) -> None:
        self._model, self._prompt, self._shape = model, prompt, shape
        self._pieces: list[str] = []
        self._tokens, self._probabilities = self._ask([])
        self._random = np.random.default_rng(0)
        self._text = ipywidgets.HTML()
        self.temperature = ipywidgets.FloatSlider(1.0, min=0.1, max=2.0, step=0.1, **label("temperature", "7em"))
        self.top_p = ipywidgets.FloatSlider(1.0, min=0.1, max=1.0, step=0.05, **label("top-p", "7em"))
        buttons = [
            make_button("Take the likeliest", "Add the likeliest token", self.take),
            make_button("Draw one", "Add a token drawn from the bars", self._take_drawn),
            make_button("Back", "Remove the last token", self._step_back),
            make_button("Start again", "Back to the beginning", self.restart),
        ]
        summary = (
            f"Next-token explorer: after “{prompt}” the likeliest token is “{self._tokens[0]}” "
            f"({self._probabilities[0]:.1%} of the next tokens)."
        )
        sliders = [self.temperature, self.top_p]
        super().__init__([self._text, *sliders, self.view, ipywidgets.HBox(buttons)], summary, "", sliders)
        self.static_html = self._text.value + self._draw()

    def take(self) -> None:
        """Add the likeliest token."""
        self._move([*self._pieces, self._tokens[int(np.argmax(self._reshape()))]])

    def restart(self) -> None:
        """Begin again with the prompt and the same draws."""
        self._random = np.random.default_rng(0)
        self._move([])

    def show(self) -> None:
        """Show the text, and the bars for what may come next."""
        grown = "".join(f"<u>{html.escape(piece)}</u>" for piece in self._pieces)
        text = f"{html.escape(self._prompt)}<strong>{grown}</strong>▁"
        self._text.value = f"<p style='font-size:110%;white-space:pre-wrap'>{text}</p>"
        super().show()

    def _take_drawn(self) -> None:
        self._move([*self._pieces, self._tokens[int(self._random.choice(len(self._tokens), p=self._reshape()))]])

    def _step_back(self) -> None:
        if self._pieces:
            self._move(self._pieces[:-1])

    def _move(self, pieces: list[str]) -> None:
        """Change the text; where the model fails it stays as it is, and why is said."""
        try:
            self._tokens, self._probabilities = self._ask(pieces)
        except WorkbookError as error:
            self.tell(self.explain(error))
            return
        self._pieces = pieces
        self.show()

    def _ask(self, pieces: Sequence[str]) -> tuple[list[str], np.ndarray]:
        chances = self._model.next_tokens(self._prompt + "".join(pieces), NUM_TOKENS)
        return [chance.text for chance in chances], np.array([chance.probability for chance in chances])

    def _reshape(self) -> np.ndarray:
        return self._shape(self._probabilities, self.temperature.value, self.top_p.value)

    def _draw(self) -> str:
        settings = f"temperature {self.temperature.value:.1f}, top-p {self.top_p.value:.2f}"
        caption = f"The {NUM_SHOWN} likeliest next tokens ({settings})"
        return draw_bars(self._tokens[:NUM_SHOWN], self._reshape()[:NUM_SHOWN], caption)


class ModelScorecard(TeachingWidget):
    """Weigh the factors of a choice and see who wins, and how often when the weights move.

    Each option has a score from 0 (worst) to 1 (best) on each factor, which weighs a whole number from 0 to 10. Raises
    `DataError` where one is missing or out of range.
    """

    def __init__(self, scores: Mapping[str, Mapping[str, float]], weights: Mapping[str, int]) -> None:
        self._scores = scores
        self.sliders = {
            factor: ipywidgets.IntSlider(weight, min=0, max=10, **label(factor, "9em"))
            for factor, weight in weights.items()
        }
        self.spread = ipywidgets.FloatSlider(SPREAD, min=0, max=1, step=0.1, **label("moved by ±", "9em"))
        ranking, shares = rank_options(scores, weights), measure_stability(scores, weights, SPREAD)
        winner = next(iter(ranking))
        summary = (
            f"Model scorecard: “{winner}” is first of {len(ranking)} with {ranking[winner]:.2f} points; it stays first in "
            f"{shares[winner]:.0%} of the draws when each weight moves by up to {SPREAD:.0%}."
        )
        controls = [*self.sliders.values(), self.spread]
        super().__init__([*controls, self.view], summary, self._draw(), controls)

    def _draw(self) -> str:
        weights = {factor: slider.value for factor, slider in self.sliders.items()}
        if not any(weights.values()):
            return say("All weights are 0: nothing counts. Raise one.")
        shares = measure_stability(self._scores, weights, self.spread.value)
        rows = []
        for place, (name, total) in enumerate(rank_options(self._scores, weights).items(), 1):
            cells = (f"{self._scores[name][factor]:.2f}" for factor in weights)
            bar = draw_bar(total, width_em=8)
            rows.append((place, name, *cells, f"{total:.2f}", bar, f"{shares[name]:.0%}"))
        heads = ["place", "option", *(f"{factor} (weight {weight})" for factor, weight in weights.items())]
        heads += ["points", "", "first when weights move"]
        moved = f"in the last column each weight moves by up to {self.spread.value:.0%}"
        return draw_table(heads, rows, f"Model scorecard: 0 is worst, 1 best; {moved}", align="rlr")


MOST_SHOWN = 12  # rows of a static table; longer ones open at a click


class TableExplorer(TeachingWidget):
    """Sort a `pandas.DataFrame` by a column, and keep the rows with a text, or with a value in one of `filters`."""

    def __init__(self, table, name: str, filters: Sequence[str]) -> None:
        self._table, self._name = table, name
        self.menus = {
            column: ipywidgets.Dropdown(options=[ANY, *sorted(set(map(str, table[column])))], **label(column, "9em"))
            for column in filters
        }
        self.search = ipywidgets.Text(placeholder="keep rows with this text", **label("text", "9em"))
        self.sort_menu = ipywidgets.Dropdown(options=list(table.columns), **label("sort by", "9em"))
        self.descending = ipywidgets.Checkbox(value=False, **label("largest first", "9em"))
        controls = [*self.menus.values(), self.search, self.sort_menu, self.descending]
        summary = f"Table explorer: {name}, {len(table)} rows with {', '.join(table.columns)}."
        static = self._tabulate(table)
        if len(table) > MOST_SHOWN:
            static = f"<details><summary>{html.escape(name)}: {len(table)} rows</summary>{static}</details>"
        super().__init__([*controls, self.view], summary, static, controls)

    def _draw(self) -> str:
        kept = self._table
        for column, menu in self.menus.items():
            if menu.value != ANY:
                kept = kept[kept[column].astype(str) == menu.value]
        wanted = self.search.value.strip().casefold()
        if wanted:
            kept = kept[[wanted in " ".join(map(str, row)).casefold() for row in kept.itertuples(index=False)]]
        if kept.empty:
            return say("No row fits. Choose less.")
        column = self.sort_menu.value
        key = None if kept[column].dtype.kind in "if" else (lambda cells: cells.astype(str).str.casefold())
        return self._tabulate(kept.sort_values(column, ascending=not self.descending.value, key=key, kind="stable"))

    def _tabulate(self, rows) -> str:
        cells = (map(_spell, row) for row in rows.itertuples(index=False))
        align = "".join("r" if kind.kind in "if" else "l" for kind in self._table.dtypes)
        return draw_table(rows.columns.tolist(), cells, f"{self._name}: {len(rows)} of {len(self._table)} rows", align)


def _spell(cell: object) -> str:
    if isinstance(cell, float):
        return "" if cell != cell else f"{int(cell):,}" if cell.is_integer() else f"{cell:,.6g}"
    if isinstance(cell, int):
        return f"{cell:,}"
    text = str(cell)
    if text.startswith("https://"):
        shown = shorten(text.removeprefix("https://"), 44)
        return Html(f"<a href='{html.escape(text, quote=True)}'>{html.escape(shown)}</a>")
    return text
