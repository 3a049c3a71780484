"""Maps: the course with the learner's progress, the lifecycle as a ring of stages, the techniques of prompting."""

import html
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import ipywidgets

from ...core import ExerciseError, Html, draw_table
from ...evaluation.measured import correct_verdicts
from ...evaluation.results import Result
from ..exercises import list_exercises
from ..lifecycle import STAGES, LandscapeTool, Stage, Technique, load_techniques, load_tools
from ..notebooks import find_notebooks, get_address, list_notebooks, read_opening
from ..progress import Progress
from .base import TeachingWidget, say
from .pictures import BAR_COLOUR, MUTED_COLOUR

CAPSTONE = "13_1"

WIDTH, HEIGHT = 680, 440
BOX_WIDTH, BOX_HEIGHT = 112, 48
RADIUS_X, RADIUS_Y = 276, 190
GAP = 5  # pixels between an arrow and its boxes
Point = tuple[float, float]


@dataclass(frozen=True)
class CourseMap:
    """A table of the chapters and lessons: question, and how many exercises are solved, which `Progress` knows."""

    progress: Progress

    def _list_rows(self) -> list[tuple[Path, int, int]]:
        done, rows = self.progress.read(), []
        for path in list_notebooks():
            with suppress(ExerciseError):  # a notebook of the learner's own
                ids = list_exercises(path.stem)
                rows.append((path, sum(one in done for one in ids), len(ids)))
        return rows

    def __repr__(self) -> str:
        rows = self._list_rows()
        return "\n".join(f"{read_opening(path)[0]}: {solved} of {total} solved" for path, solved, total in rows)

    def _repr_html_(self) -> str:
        rows = []
        for path, solved, total in self._list_rows():
            title, question = read_opening(path)
            link = Html(f"<a href='{html.escape(path.name)}'>{html.escape(title)}</a>")
            rows.append((link, question, f"{'●' * solved}{'○' * (total - solved)} {solved} of {total}"))
        return draw_table(("lesson", "question", "exercises solved"), rows, align="llr")


class LifecycleMap(TeachingWidget):
    """The ring, a button for each stage, and below them the stage that is chosen, with its chapters and tools."""

    def __init__(self) -> None:
        tools = load_tools()
        self._tools = {stage.id: [tool for tool in tools if tool.stage == stage.id] for stage in STAGES}
        self.buttons = ipywidgets.ToggleButtons(
            options=[(stage.name, stage.id) for stage in STAGES],
            tooltips=[stage.question for stage in STAGES],
            style={"button_width": "6em"},
        )
        ring = ", ".join(stage.name for stage in STAGES)
        summary = f"Lifecycle map: {len(STAGES)} stages in a ring, {ring}, and again; {len(tools)} tools."
        super().__init__([self.buttons, self.view], summary, draw_ring() + self._tabulate(), [self.buttons])

    def _draw(self) -> str:
        (stage,) = (stage for stage in STAGES if stage.id == self.buttons.value)
        facts = (
            ("Question", html.escape(stage.question)),
            ("It leaves", html.escape(stage.artefact)),
            ("Without it", html.escape(stage.risk)),
            ("Chapters", _link_chapters(stage)),
        )
        told = "".join(f"<strong>{head}:</strong> {text}<br>" for head, text in facts)
        name = f"<p role='status'><strong>{html.escape(stage.name)}</strong></p>"
        return draw_ring(stage) + name + f"<p>{told}</p>" + _tabulate_tools(self._tools[stage.id])

    def _tabulate(self) -> str:
        rows = []
        for stage in STAGES:
            names = ", ".join(tool.tool for tool in self._tools[stage.id])
            rows.append((stage.name, stage.question, stage.artefact, stage.risk, _link_chapters(stage), names))
        heads = ("stage", "question", "what it leaves", "without it", "chapters", "tools")
        return draw_table(heads, rows, "Lifecycle map: the stages in order; after the last comes the first again")


def draw_ring(chosen: Stage | None = None) -> str:
    """Return the stages as a ring in SVG, clockwise from the top; each box links to the main chapter of its stage.

    The links are HTML inside the picture: JupyterLab resolves addresses of links in an output and fails at links that
    are SVG themselves. The picture proper has the role of an image, and the links stay outside it, since what is
    inside an image is hidden from a screen reader.
    """
    arrows, boxes, labels = [], [], []
    for number, stage in enumerate(STAGES):
        x, y = _place(number)
        frame = f'x="{x - BOX_WIDTH / 2:.1f}" y="{y - BOX_HEIGHT / 2:.1f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}"'
        opacity, width = (0.35, 3) if stage is chosen else (0.12, 1)
        arrows.append(_draw_arrow((x, y), _place(number + 1)))
        boxes.append(
            f'<rect {frame} rx="8" fill="{BAR_COLOUR}" fill-opacity="{opacity}" stroke="{BAR_COLOUR}" '
            f'stroke-width="{width}"/>'
        )
        labels.append(f"<foreignObject {frame}>{_write_link(stage.chapters[0], stage.name)}</foreignObject>")
    middle = (
        f'<foreignObject x="{WIDTH / 2 - 90:g}" y="{HEIGHT / 2 - 24:g}" width="180" height="48">'
        f"{_write_link(CAPSTONE, 'The whole loop')}</foreignObject>"
    )
    order = ", ".join(html.escape(stage.name) for stage in STAGES)
    mark = f" {html.escape(chosen.name)} is marked." if chosen else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="max-width:100%;min-width:600px;height:auto">'
        f'<g role="img"><title>The lifecycle of an LLM application</title>: '
        f"<desc>A ring of {len(STAGES)} stages, clockwise: {order}; from the last an arrow leads to the first.{mark}"
        f"</desc>{''.join(arrows)}{''.join(boxes)}</g>{''.join(labels)}{middle}</svg>"
    )


def _place(number: int) -> Point:
    """Return the middle of a box on the ring; after the last comes the first again."""
    angle = 2 * math.pi * number / len(STAGES) - math.pi / 2
    return WIDTH / 2 + RADIUS_X * math.cos(angle), HEIGHT / 2 + RADIUS_Y * math.sin(angle)


def _draw_arrow(start: Point, end: Point) -> str:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
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


def _write_link(number: str, name: str) -> str:
    path = find_notebooks(number)[0]
    style = "display:block;padding-top:6px;font:14px/18px sans-serif;text-align:center"
    style += ";color:inherit;text-decoration:underline"
    return (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{html.escape(path.name)}" target="_blank" '
        f'rel="noopener" style="{style}"><strong>{html.escape(name)}</strong><br/>'
        f"{_name_number(get_address(path.stem))}</a></div>"
    )


def _link_chapters(stage: Stage) -> Html:
    paths = [path for number in stage.chapters for path in find_notebooks(number)]
    return Html(", ".join(_link(path.name, read_opening(path)[0]) for path in paths))


def _name_number(address: str) -> str:
    """Return “chapter 09” or “lesson 9.2”, as its heading has it."""
    chapter, _, lesson = address.partition("_")
    return f"lesson {int(chapter)}.{lesson}" if lesson else f"chapter {chapter}"


def _link(address: str, text: str) -> Html:
    return Html(f"<a href='{html.escape(address)}' target='_blank' rel='noopener'>{html.escape(text)}</a>")


def _tabulate_tools(tools: Sequence[LandscapeTool]) -> str:
    rows = []
    for tool in tools:
        account = _keep_whole("needed" if tool.needs_account else "not needed")
        here = _keep_whole(_name_number(tool.used_here)) if tool.used_here else "—"
        looked_up = _keep_whole(tool.looked_up.isoformat())
        rows.append((_link(tool.source, tool.tool), tool.kind, tool.licence, account, tool.what, here, looked_up))
    heads = ("tool", "kind", "licence", "account", "what it does", "here", "looked up")
    return draw_table(heads, rows, f"{len(tools)} tools; some of them serve other stages too")


def _keep_whole(text: str) -> Html:
    return Html(f"<span style='white-space:nowrap'>{html.escape(text)}</span>")


class TechniqueMap(TeachingWidget):
    """A button for each technique of prompting, and below them what it changes, when to use it, what was measured.

    `results` are those of `load_results`; the verdicts of each model are corrected for all that the map shows of it.
    """

    def __init__(self, results: Mapping[str, Sequence[Result]]) -> None:
        self._techniques = {one.id: one for one in load_techniques()}
        self._measured: dict[str, list[tuple[str, Result]]] = {id: [] for id in self._techniques}
        ids = {one.lesson: id for id, one in self._techniques.items()}
        for model, listed in results.items():
            owners = [(ids[one.address], one) for one in listed if one.address in ids]
            corrected = correct_verdicts([one for _, one in owners])
            for (id, _), one in zip(owners, corrected, strict=True):
                self._measured[id].append((model, one))
        names = [(one.technique, one.id) for one in self._techniques.values()]
        self.buttons = ipywidgets.ToggleButtons(options=names, style={"button_width": "13em"})
        told = ", ".join(f"{name}: {self._count(id)}" for name, id in names)
        super().__init__([self.buttons, self.view], f"Map of techniques. {told}.", self._tabulate(), [self.buttons])

    def _count(self, id: str) -> str:
        verdicts = [one.verdict for _, one in self._measured[id]]
        counted = (f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(sorted(verdicts)))
        return " · ".join(counted) or "not measured yet"

    def _draw(self) -> str:
        one = self._techniques[self.buttons.value]
        facts = {"What it is": one.what, "It changes": one.changes, "Use it when": one.use_when, "Price": one.price}
        told: list[tuple[str, object]] = list(facts.items())
        told += [("Paper", _link(one.source, one.paper)), ("Taught in", _find_lesson(one))]
        rows = []
        for model, found in self._measured[one.id]:
            scores = f"{found.baseline_score:.0%} → {found.score:.0%}"
            rows.append((found.technique, found.task, model, scores, found.num, found.verdict))
        heads = ("measured", "task", "model", "without → with", "n", "verdict")
        name = f"<p role='status'><strong>{html.escape(one.technique)}</strong> ({one.family})</p>"
        return name + draw_table((), told) + (draw_table(heads, rows) if rows else say("It is not measured yet."))

    def _tabulate(self) -> str:
        rows = []
        for one in self._techniques.values():
            name = Html(f"<strong>{html.escape(one.technique)}</strong><br>{one.family}<br>{_find_lesson(one)}")
            rows.append((name, one.changes, one.use_when, one.price, self._count(one.id)))
        return draw_table(("technique", "it changes", "use it when", "price", "verdicts here"), rows)


def _find_lesson(one: Technique) -> Html:
    path = find_notebooks(one.lesson)[0]
    return _link(path.name, _name_number(get_address(path.stem)))
