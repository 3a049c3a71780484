"""Choose a provider and a mode, and get the lines for `.env`."""

from __future__ import annotations

import html

import ipywidgets

from ...core import Html, draw_table
from ...models import Catalog, load_catalog
from .base import TeachingWidget, style_html

MODES = {
    "live": "ask the model",
    "replay": "answer from the recordings, no model and no network",
    "auto": "from a recording where there is one, else ask",
    "record": "ask, and store each answer as a recording",
}


class ProviderChooser(TeachingWidget):
    """Two menus, and below them the lines that go into `.env`."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        self._catalog = catalog or load_catalog()
        options = [(entry.title, entry.id) for entry in self._catalog.providers.values()]
        style = {"description_width": "6em"}
        self.provider = ipywidgets.Dropdown(options=options, value="embedded", description="provider", style=style)
        self.mode = ipywidgets.Dropdown(
            options=[(f"{name}: {text}", name) for name, text in MODES.items()],
            description="mode",
            style=style,
            layout=ipywidgets.Layout(width="32em"),
        )
        self.lines = ipywidgets.HTML()
        for menu in (self.provider, self.mode):
            menu.observe(lambda _: self._show(), names="value")
        super().__init__([self.provider, self.mode, self.lines], "", _tabulate(self._catalog))
        self.summary = f"Provider chooser: {len(options)} providers, {len(MODES)} modes, and the lines for .env."
        self._show()

    def make_lines(self) -> list[str]:
        """Return the lines for `.env` that select what the menus show."""
        entry = self._catalog.find_provider(self.provider.value)
        lines = [f"LLMOPS_MODE={self.mode.value}", f"LLMOPS_PROVIDER={entry.id}"]
        if entry.id == "custom":
            lines += ["LLMOPS_BASE_URL=http://127.0.0.1:8000/v1", "LLMOPS_MODEL=the name of the model there"]
        elif entry.id != "embedded":
            lines.append(f"LLMOPS_MODEL={entry.default_model}")
        if entry.key_variable and self.mode.value != "replay":
            lines.append(f"{entry.key_variable}=(your key)")
        return lines

    def _show(self) -> None:
        entry = self._catalog.find_provider(self.provider.value)
        price = "Costs nothing." if entry.is_free else "Costs money by the token." if entry.key_variable else ""
        lacks = [name for name, can in entry.capabilities.items() if not can]
        missing = f" Cannot: {', '.join(lacks)}." if lacks else ""
        self.lines.value = style_html(
            f"<pre>{html.escape(chr(10).join(self.make_lines()))}</pre>"
            f"<p>{html.escape(price + missing)} Save as <code>.env</code> beside README.md, then restart the kernel.</p>"
        )


def _tabulate(catalog: Catalog) -> str:
    rows = []
    for entry in catalog.providers.values():
        codes = (entry.id, entry.default_model or "—", entry.key_variable or "—")
        rows.append((entry.title, *(Html(f"<code>{html.escape(code)}</code>") for code in codes)))
    return draw_table(("provider", "LLMOPS_PROVIDER", "default model", "key"), rows)
