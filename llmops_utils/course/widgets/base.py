"""What all widgets share: a static view beside the live one, and controls that have the live one drawn anew."""

import functools
import html
from collections.abc import Callable, Sequence

import ipywidgets

from ...core import RecordingMissing, WorkbookError

UNRECORDED = (
    "This is not among the recordings. What stands in the menus at first is; for all else run the notebook with a model "
    "(LLMOPS_MODE=live)."
)


class TeachingWidget(ipywidgets.VBox):
    """A widget with a static view: where no kernel is alive, readers see `static_html` instead of nothing.

    A subclass holds its data, builds its controls, and has a `_draw`, whose HTML `show` puts into `view`.

    Args:
        children: the controls and views, from top to bottom.
        summary: one sentence, for screen readers, print-outs and plain text.
        static_html: the same content without controls.
        controls: each change of one of these has the view drawn anew.
    """

    repeats_static = False  # whether the static view stands below the live one too, since the notebook speaks of it

    def __init__(
        self,
        children: Sequence[ipywidgets.Widget],
        summary: str,
        static_html: str,
        controls: Sequence[ipywidgets.Widget] = (),
    ) -> None:
        below = [ipywidgets.HTML(style_html(static_html))] if self.repeats_static else []
        super().__init__([*children, *below])
        self.summary, self.static_html = summary, static_html
        if controls:
            follow(self.show, *controls)
            self.show()

    @functools.cached_property
    def view(self) -> ipywidgets.HTML:
        """Where the live view is drawn."""
        return ipywidgets.HTML()

    def show(self) -> None:
        """Draw the view anew, or say in it why that cannot be."""
        try:
            self.view.value = style_html(self._draw())
        except WorkbookError as error:
            self.tell(self.explain(error))

    def tell(self, text: str) -> None:
        """Put a sentence in place of the view."""
        self.view.value = style_html(say(text))

    def explain(self, error: WorkbookError) -> str:
        """Return what to tell the reader about an error."""
        return UNRECORDED if isinstance(error, RecordingMissing) else str(error)

    def _draw(self) -> str:
        raise NotImplementedError

    def _repr_mimebundle_(self, **options):
        bundle = super()._repr_mimebundle_(**options)
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        data = {**data, "text/plain": self.summary, "text/html": self.static_html}
        return (data, *rest) if rest else data


def follow(update: Callable[[], None], *controls: ipywidgets.Widget) -> None:
    """Call `update` whenever the value of one of the controls changes."""
    for control in controls:
        control.observe(lambda _: update(), names="value")


def make_button(name: str, tooltip: str, press: Callable[[], None]) -> ipywidgets.Button:
    """Return a button that calls `press`."""
    button = ipywidgets.Button(description=name, tooltip=tooltip)
    button.on_click(lambda _: press())
    return button


def label(text: str, room: str = "", width: str | None = None) -> dict:
    """Return the options of a control that give it a label, room for a long one, and a width of its own, in CSS."""
    return {"description": text, "style": {"description_width": room}, "layout": {"width": width}}


def say(text: str) -> str:
    """Return a text as HTML that a screen reader reads out when it appears."""
    return f"<p role='status'>{html.escape(text)}</p>"


def shorten(text: str, num_letters: int) -> str:
    """Return a text, cut where it is longer."""
    return text if len(text) <= num_letters else text[: num_letters - 1] + "…"


def style_html(content: str) -> str:
    """Return HTML for a widget in the style of notebook outputs; widgets leave that style out, and would centre tables."""
    content = content.replace("<table>", "<table style='margin-left:0'>")
    return f'<div class="jp-RenderedHTMLCommon">{content}</div>'
