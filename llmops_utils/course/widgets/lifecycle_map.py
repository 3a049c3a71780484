"""The lifecycle as a ring of stages that link to their chapters; choose one and see what it asks, leaves and needs."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import ipywidgets

from ...core import DataError, Html, draw_table
from ..lifecycle import STAGES, Stage, Tool, load_tools
from .base import BAR_COLOUR, MUTED_COLOUR, TeachingWidget, style_html
from .course_map import CHAPTERS

WIDTH, HEIGHT = 680, 440
BOX_WIDTH, BOX_HEIGHT = 112, 48
RADIUS_X, RADIUS_Y = 276, 190
GAP = 5  # pixels between an arrow and its boxes
CAPSTONE = "13_capstone"
TITLES = {name: f"{name[:2]} {title}" for name, title, _ in CHAPTERS}


class LifecycleMap(TeachingWidget):
    """The ring, a button for each stage, and below them the stage that is chosen, with its chapters and tools.

    Args:
        tools: default: the course's own table.
        start: the id of the stage that is shown first.
        stages: in order.

    Raises:
        DataError: there is no stage of that id, or a tool belongs to none.
    """

    def __init__(
        self, tools: Sequence[Tool] | None = None, start: str = "data", stages: Sequence[Stage] = STAGES
    ) -> None:
        self._stages = {stage.id: stage for stage in stages}
        self._tools: dict[str, list[Tool]] = {id: [] for id in self._stages}
        for tool in load_tools() if tools is None else tools:
            _check_stage(tool.stage, self._stages)
            self._tools[tool.stage].append(tool)
        _check_stage(start, self._stages)
        self.buttons = ipywidgets.ToggleButtons(
            options=[(stage.name, stage.id) for stage in stages],
            value=start,
            tooltips=[stage.question for stage in stages],
            style={"button_width": "6em"},
        )
        self.view = ipywidgets.HTML()
        self.buttons.observe(lambda _: self.show(), names="value")
        ring = ", ".join(stage.name for stage in stages)
        num_tools = sum(map(len, self._tools.values()))
        summary = f"Lifecycle map: {len(self._stages)} stages in a ring, {ring}, and again; {num_tools} tools."
        super().__init__([self.buttons, self.view], summary, draw_lifecycle(stages) + self._tabulate())
        self.show()

    def choose(self, id: str) -> None:
        """Show a stage. Raises `DataError` if there is none of that id."""
        _check_stage(id, self._stages)
        self.buttons.value = id

    def show(self) -> None:
        """Show the ring with the chosen stage marked, and what there is to say about the stage."""
        stage = self._stages[self.buttons.value]
        facts = (
            ("Question", html.escape(stage.question)),
            ("It leaves", html.escape(stage.artefact)),
            ("Without it", html.escape(stage.risk)),
            ("Chapters", _link_chapters(stage)),
        )
        told = "".join(f"<strong>{head}:</strong> {text}<br>" for head, text in facts)
        self.view.value = style_html(
            draw_lifecycle(list(self._stages.values()), stage.id)
            + f"<p role='status'><strong>{html.escape(stage.name)}</strong></p><p>{told}</p>"
            + _tabulate_tools(self._tools[stage.id])
        )

    def _tabulate(self) -> str:
        rows = []
        for stage in self._stages.values():
            names = ", ".join(tool.tool for tool in self._tools[stage.id])
            rows.append((stage.name, stage.question, stage.artefact, stage.risk, _link_chapters(stage), names))
        heads = ("stage", "question", "what it leaves", "without it", "chapters", "tools")
        return draw_table(heads, rows, "Lifecycle map: the stages in order; after the last comes the first again")


def draw_lifecycle(stages: Sequence[Stage] = STAGES, chosen: str | None = None) -> str:
    """Return the stages round a ring as SVG; each box links to the main chapter of its stage.

    The links are HTML inside the picture: JupyterLab resolves addresses of links in an output and fails at links that
    are SVG themselves. The picture proper has the role of an image, and the links stay outside it, since what is
    inside an image is hidden from a screen reader.

    Args:
        stages: at least one, in the order of the ring, which runs clockwise from the top.
        chosen: the id of a stage to mark.

    Raises:
        DataError: there is no stage of that id.
    """
    if chosen is not None:
        _check_stage(chosen, {stage.id: stage for stage in stages})
    places = [_place(number, len(stages)) for number in range(len(stages))]
    arrows = [_draw_arrow(place, places[(number + 1) % len(places)]) for number, place in enumerate(places)]
    boxes = [_draw_box(place, stage.id == chosen) for place, stage in zip(places, stages, strict=True)]
    labels = [_write_label(place, stage) for place, stage in zip(places, stages, strict=True)]
    order = ", ".join(html.escape(stage.name) for stage in stages)
    mark = f" {html.escape(next(stage.name for stage in stages if stage.id == chosen))} is marked." if chosen else ""
    middle = (
        f'<foreignObject x="{WIDTH / 2 - 90:g}" y="{HEIGHT / 2 - 24:g}" width="180" height="48">'
        f"{_write_link(CAPSTONE, 'The whole loop', f'chapter {CAPSTONE[:2]}')}</foreignObject>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="max-width:100%;min-width:600px;height:auto">'
        f'<g role="img"><title>The lifecycle of an LLM application</title>: '
        f"<desc>A ring of {len(stages)} stages, clockwise: {order}; from the last an arrow leads to the first.{mark}"
        f"</desc>{''.join(arrows)}{''.join(boxes)}</g>{''.join(labels)}{middle}</svg>"
    )


def _check_stage(id: str, stages: dict[str, Stage]) -> None:
    if id not in stages:
        raise DataError(f"“{id}” is no stage of the lifecycle.", f"Choose one of {', '.join(stages)}.")


def _place(number: int, num_stages: int) -> tuple[float, float]:
    """Return the middle of a box on the ring."""
    angle = 2 * math.pi * number / num_stages - math.pi / 2
    return WIDTH / 2 + RADIUS_X * math.cos(angle), HEIGHT / 2 + RADIUS_Y * math.sin(angle)


def _draw_arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Return an arrow between two boxes, from edge to edge."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    if length == 0:
        return ""  # one stage only
    across, down = abs(dx) / (BOX_WIDTH / 2), abs(dy) / (BOX_HEIGHT / 2)
    edge = 1 / max(across, down) + GAP / length  # as a share of the way
    x1, y1 = start[0] + edge * dx, start[1] + edge * dy
    x2, y2 = end[0] - edge * dx, end[1] - edge * dy
    ux, uy = dx / length, dy / length
    head = f"{x2:.1f},{y2:.1f} " + " ".join(
        f"{x2 - 9 * ux + side * 5 * uy:.1f},{y2 - 9 * uy - side * 5 * ux:.1f}" for side in (1, -1)
    )
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2 - 8 * ux:.1f}" y2="{y2 - 8 * uy:.1f}" stroke="{MUTED_COLOUR}" '
        f'stroke-width="2"/><polygon points="{head}" fill="{MUTED_COLOUR}"/>'
    )


def _draw_box(place: tuple[float, float], is_chosen: bool) -> str:
    opacity, width = (0.35, 3) if is_chosen else (0.12, 1)
    return (
        f'<rect x="{place[0] - BOX_WIDTH / 2:.1f}" y="{place[1] - BOX_HEIGHT / 2:.1f}" width="{BOX_WIDTH}" '
        f'height="{BOX_HEIGHT}" rx="8" fill="{BAR_COLOUR}" fill-opacity="{opacity}" stroke="{BAR_COLOUR}" '
        f'stroke-width="{width}"/>'
    )


def _write_label(place: tuple[float, float], stage: Stage) -> str:
    main = stage.chapters[0]
    return (
        f'<foreignObject x="{place[0] - BOX_WIDTH / 2:.1f}" y="{place[1] - BOX_HEIGHT / 2:.1f}" width="{BOX_WIDTH}" '
        f'height="{BOX_HEIGHT}">{_write_link(main, stage.name, f"chapter {main[:2]}")}</foreignObject>'
    )


def _write_link(chapter: str, name: str, below: str) -> str:
    style = "display:block;padding-top:6px;font:14px/18px sans-serif;text-align:center"
    style += ";color:inherit;text-decoration:underline"
    return (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{html.escape(chapter)}.ipynb" target="_blank" '
        f'rel="noopener" style="{style}"><strong>{html.escape(name)}</strong><br/>{html.escape(below)}</a></div>'
    )


def _link_chapters(stage: Stage) -> Html:
    return Html(", ".join(_link(f"{name}.ipynb", TITLES.get(name, name)) for name in stage.chapters))


def _link(address: str, text: str) -> Html:
    return Html(f"<a href='{html.escape(address)}' target='_blank' rel='noopener'>{html.escape(text)}</a>")


def _tabulate_tools(tools: Sequence[Tool]) -> str:
    rows = []
    for tool in tools:
        name = _link(tool.source, tool.tool) if tool.source.startswith("https://") else tool.tool
        account = _keep_whole("needed" if tool.needs_account else "not needed")
        here = _keep_whole(f"chapter {tool.used_here}") if tool.used_here else "—"
        looked_up = _keep_whole(tool.looked_up.isoformat())
        rows.append((name, tool.kind, tool.licence, account, tool.what, here, looked_up))
    heads = ("tool", "kind", "licence", "account", "what it does", "here", "looked up")
    return draw_table(heads, rows, f"{len(tools)} tools; some of them serve other stages too")


def _keep_whole(text: str) -> Html:
    return Html(f"<span style='white-space:nowrap'>{html.escape(text)}</span>")
