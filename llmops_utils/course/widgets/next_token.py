"""A text grown token by token: see the distribution, shape it, choose the next token."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import ipywidgets
import numpy as np

from ...core import WorkbookError
from ...models import Model
from .base import TeachingWidget, draw_bars, style_html

Shape = Callable[[np.ndarray, float, float], np.ndarray]


class NextTokenExplorer(TeachingWidget):
    """Generation step by step. The sliders reshape the distribution at once, without asking the model again.

    Args:
        model: the model that continues the text.
        prompt: how the text begins.
        shape: turns probabilities of shape (n,), a temperature and a top-p into probabilities of shape (n,).
        num_tokens: how many of the likeliest tokens to look at.
        num_shown: how many of them to draw.
        seed: makes the draws repeatable.
    """

    def __init__(
        self, model: Model, prompt: str, shape: Shape, num_tokens: int = 40, num_shown: int = 10, seed: int = 0
    ) -> None:
        self._model, self._prompt, self._shape = model, prompt, shape
        self._num_tokens, self._num_shown, self._seed = num_tokens, num_shown, seed
        self._pieces: list[str] = []
        self._random = np.random.default_rng(seed)
        self._text = ipywidgets.HTML()
        self._chart = ipywidgets.HTML()
        self._message = ipywidgets.HTML()
        style = {"description_width": "7em"}
        self.temperature = ipywidgets.FloatSlider(
            1.0, min=0.1, max=2.0, step=0.1, description="temperature", style=style
        )
        self.top_p = ipywidgets.FloatSlider(1.0, min=0.1, max=1.0, step=0.05, description="top-p", style=style)
        self.take_button = ipywidgets.Button(description="Take the likeliest", tooltip="Add the likeliest token")
        self.draw_button = ipywidgets.Button(description="Draw one", tooltip="Add a token drawn from the bars")
        self.back_button = ipywidgets.Button(description="Back", tooltip="Remove the last token")
        self.reset_button = ipywidgets.Button(description="Start again", tooltip="Back to the beginning")
        self.take_button.on_click(lambda _: self.take())
        self.draw_button.on_click(lambda _: self.draw())
        self.back_button.on_click(lambda _: self.step_back())
        self.reset_button.on_click(lambda _: self.restart())
        for slider in (self.temperature, self.top_p):
            slider.observe(lambda _: self._show(), names="value")
        buttons = ipywidgets.HBox([self.take_button, self.draw_button, self.back_button, self.reset_button])
        super().__init__([self._text, self.temperature, self.top_p, self._chart, buttons, self._message], "", "")
        self._ask()
        self.static_html = self._text.value + self._draw()
        first = self._tokens[0]
        self.summary = (
            f"Next-token explorer: after “{prompt}” the likeliest token is “{first}” "
            f"({self._probabilities[0]:.1%} of the next tokens)."
        )

    @property
    def text(self) -> str:
        """The prompt and all tokens added so far."""
        return self._prompt + "".join(self._pieces)

    @property
    def shaped(self) -> np.ndarray:
        """The probabilities under the sliders, shape (num_tokens,)."""
        return self._shape(self._probabilities, self.temperature.value, self.top_p.value)

    def take(self) -> None:
        """Add the likeliest token."""
        self._add(self._tokens[int(np.argmax(self.shaped))])

    def draw(self) -> None:
        """Add a token drawn from the shaped distribution."""
        self._add(self._tokens[int(self._random.choice(len(self._tokens), p=self.shaped))])

    def step_back(self) -> None:
        """Remove the last token."""
        if self._pieces:
            self._try(self._pieces[:-1])

    def restart(self) -> None:
        """Begin again with the prompt and the same draws."""
        if self._try([]):
            self._random = np.random.default_rng(self._seed)

    def _add(self, piece: str) -> None:
        self._try([*self._pieces, piece])

    def _try(self, pieces: list[str]) -> bool:
        """Move to a text; where the model fails, the text stays as it is. Return whether it moved."""
        before, self._pieces = self._pieces, pieces
        if self._ask():
            return True
        self._pieces = before
        return False

    def _ask(self) -> bool:
        """Ask for the next distribution; say why where there is none, and return whether there is."""
        try:
            chances = self._model.next_tokens(self.text, self._num_tokens)
        except WorkbookError as error:
            if not hasattr(self, "_tokens"):
                raise
            self._message.value = f"<p role='status'>{html.escape(str(error))}</p>"
            return False
        self._tokens: Sequence[str] = [chance.text for chance in chances]
        self._probabilities = np.array([chance.probability for chance in chances])
        self._message.value = ""
        self._show()
        return True

    def _show(self) -> None:
        grown = "".join(f"<u>{html.escape(piece)}</u>" for piece in self._pieces)
        self._text.value = (
            f"<p style='font-size:110%;white-space:pre-wrap'>{html.escape(self._prompt)}<strong>{grown}</strong>▁</p>"
        )
        self._chart.value = style_html(self._draw())

    def _draw(self) -> str:
        shaped = self.shaped
        shown = list(zip(self._tokens, shaped, strict=True))[: self._num_shown]
        caption = f"The {self._num_shown} likeliest next tokens (temperature {self.temperature.value:.1f}, top-p {self.top_p.value:.2f})"
        return draw_bars([repr(token)[1:-1] for token, _ in shown], [p for _, p in shown], caption=caption)
