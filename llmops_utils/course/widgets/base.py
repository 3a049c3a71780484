"""What all widgets share: the static view beside the live one, bars in HTML, and pictures with a text."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import ipywidgets

from ...core import Html, draw_table

BAR_COLOUR = "#3b7dd8"
MUTED_COLOUR = "#9aa0a6"
INK = "#808080"  # can be read on a light and on a dark page


class TeachingWidget(ipywidgets.VBox):
    """A widget with a static view: where no kernel is alive, readers see `static_html` instead of nothing.

    Args:
        children: the controls and views.
        summary: one sentence, for screen readers, print-outs and plain text.
        static_html: the same content without controls.
    """

    def __init__(self, children: Sequence[ipywidgets.Widget], summary: str, static_html: str) -> None:
        super().__init__(children)
        self.summary = summary
        self.static_html = static_html

    def _repr_mimebundle_(self, **options):
        bundle = super()._repr_mimebundle_(**options)
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        data = {**data, "text/plain": self.summary, "text/html": self.static_html}
        return (data, *rest) if rest else data


def draw_bars(labels: Sequence[str], values: Sequence[float], marked: int | None = None, caption: str = "") -> str:
    """Return a table of labels, values in [0, 1] and bars as HTML; it reads well with and without colours.

    Args:
        labels: what each bar stands for.
        values: shares between 0 and 1.
        marked: the index of a bar to point out.
        caption: a sentence above the table.
    """
    widest = max([*values, 1e-9])
    rows = []
    for index, (label, value) in enumerate(zip(labels, values, strict=True)):
        name = Html(f"<code>{html.escape(label)}</code>{' ◀' if index == marked else ''}")
        rows.append((name, f"{value:.1%}", draw_bar(value / widest, width_em=16)))
    top = Html(f"<span style='white-space:nowrap'>{html.escape(caption)}</span>") if caption else ""
    return draw_table(("token", "probability", ""), rows, top, align="lr")


def draw_bar(share: float, width_em: float) -> Html:
    """Return a bar for a share between 0 and 1 of the width."""
    colour = BAR_COLOUR if share > 0 else MUTED_COLOUR
    bar = f"<div style='background:{colour};height:1em;width:{share:.1%};min-width:1px'></div>"
    return Html(f"<div style='width:{width_em}em'>{bar}</div>")


def style_html(content: str) -> str:
    """Return HTML for a widget in the style of notebook text; widgets leave that style out."""
    return f'<div class="jp-RenderedHTMLCommon">{content}</div>'


class Bars:
    """Bars to look at: a table in HTML, the same figures in plain text.

    Args:
        labels: what each bar stands for.
        values: shares between 0 and 1.
    """

    def __init__(self, labels: Sequence[str], values: Sequence[float]) -> None:
        self.labels, self.values = list(labels), list(values)

    def __repr__(self) -> str:
        return "\n".join(f"{value:6.1%}  {label!r}" for label, value in zip(self.labels, self.values, strict=True))

    def _repr_html_(self) -> str:
        return draw_bars([repr(label)[1:-1] for label in self.labels], self.values)


class Picture:
    """A matplotlib figure as an image with an alternative text. Closing the figure is done here.

    Args:
        figure: what to show.
        alt: what it shows, in words, for who cannot see it. It is also what the tests compare.
    """

    def __init__(self, figure, alt: str) -> None:
        import matplotlib.pyplot as plt
        from matplotlib.colors import same_color
        from matplotlib.text import Text

        self.alt = alt
        # What is written into the axes after `make_figure` is black by default, which a dark page swallows.
        for text in figure.findobj(Text):
            if same_color(text.get_color(), "black"):
                text.set_color(INK)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
        plt.close(figure)
        self._png = file.getvalue()

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self._png).decode()
        return f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}">'


def make_figure(width: float = 6.4, height: float = 3.2, **options):
    """Return `(figure, axes)` in colours that can be read on a light and on a dark page.

    Args:
        width: inches.
        height: inches.
        options: passed on to `matplotlib.pyplot.subplots`.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    style = {
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 10,
    }
    with plt.rc_context(style):
        return plt.subplots(figsize=(width, height), **options)
