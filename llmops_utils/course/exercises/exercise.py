"""One exercise: check, hint, solution and reset, each a call and a button."""

from __future__ import annotations

import dis
import html
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..progress import Progress

_UNSET = object()
TITLES = {
    "right": "Right.",
    "wrong": "Not yet.",
    "raised": "Your code ended in an error.",
    "not attempted": "Not attempted.",
    "hint": "Hint.",
    "solution": "Solution.",
    "reset": "Open again.",
}


class Wrong(Exception):
    """Raised by a grader: the answer is not right; the text says in what, without giving it away."""


class LearnerCodeRaised(Exception):
    """The learner's function raised; `cause` is what it raised."""

    def __init__(self, cause: BaseException, arguments: tuple) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.arguments = arguments


def call_learner(function: Callable, *arguments: Any) -> Any:
    """Return what the learner's function returns; what it raises becomes `LearnerCodeRaised`."""
    try:
        return function(*arguments)
    except Exception as error:
        raise LearnerCodeRaised(error, arguments) from error


def find_model(chapter: str):
    """Return the model of the notebook, or one of the chapter's own where there is none."""
    from IPython import get_ipython

    shell = get_ipython()
    model = shell.user_ns.get("model") if shell is not None else None
    if model is None:
        from ...models import Model

        model = Model(chapter)
    return model


@dataclass(frozen=True)
class Outcome:
    """The result of a check: `state` is right, wrong, raised or not attempted."""

    state: str
    message: str

    @property
    def is_right(self) -> bool:
        """Whether the answer was right."""
        return self.state == "right"

    def __repr__(self) -> str:
        return f"{self.state}: {self.message}"

    def _repr_html_(self) -> str:
        kind = {"right": "success", "wrong": "warning", "raised": "danger"}.get(self.state, "info")
        title = TITLES.get(self.state, "")
        return (
            f'<div class="alert alert-{kind}" role="status"><strong>{title}</strong> '
            f'<span style="white-space:pre-wrap">{mark_code(self.message)}</span></div>'
        )


def mark_code(text: str) -> str:
    """Return a text as HTML, with what stands in back-ticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def is_blank(answer: object) -> bool:
    """Return whether this is still the place-holder of the task: `...`, None, or a function that is only `...`."""
    if answer is None or answer is ...:
        return True
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("RESUME", "NOP", "RETURN_VALUE")]
    # Such a body only returns None, or Ellipsis in a lambda; "return None" written out looks the same.
    return all(step.opname in ("LOAD_CONST", "RETURN_CONST") and step.argval in (None, ...) for step in steps)


class Exercise:
    """A task with a grader.

    Args:
        id: chapter and number, such as "01.2".
        title: a few words.
        task: what to do, in HTML-free prose.
        variable: the name that the learner's answer has in the notebook.
        grade: takes the answer; raises `Wrong` where it is not right, and returns what to say where it is.
        hints: from vague to nearly told.
        solution: code that assigns `variable`.
    """

    def __init__(
        self,
        id: str,
        title: str,
        task: str,
        variable: str,
        grade: Callable[[Any], str],
        hints: tuple[str, ...],
        solution: str,
    ) -> None:
        self.id, self.title, self.task, self.variable = id, title, task, variable
        self.grade, self.hints, self.solution_code = grade, hints, inspect.cleandoc(solution)
        self._num_hints_shown = 0
        self.progress: Progress | None = None

    def check(self, answer: object = _UNSET) -> Outcome:
        """Return whether the answer is right. Without an argument, the notebook's variable is looked up."""
        if answer is _UNSET:
            answer = self._find_answer()
        if is_blank(answer):
            return Outcome("not attempted", f"Put your answer into `{self.variable}`, run that cell, then check again.")
        try:
            message = self.grade(answer)
        except Wrong as wrong:
            return Outcome("wrong", f"{wrong} A hint: {self._name()}.hint().")
        except LearnerCodeRaised as raised:
            given = ", ".join(repr(argument)[:80] for argument in raised.arguments)
            return Outcome(
                "raised",
                f"{type(raised.cause).__name__}: {raised.cause}\nIt was called with ({given}). "
                "Run it with these arguments in a cell of its own to see where.",
            )
        except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
            return Outcome(
                "wrong",
                f"The answer has not the form that was asked for ({type(error).__name__}: {error}). "
                "Read the task again, or ask for a hint.",
            )
        (self.progress or Progress()).mark_done(self.id)
        return Outcome("right", message)

    def hint(self) -> Outcome:
        """Return the next hint; after the last one, the last again."""
        number = min(self._num_hints_shown, len(self.hints) - 1)
        self._num_hints_shown += 1
        more = "" if number == len(self.hints) - 1 else " (There is another one.)"
        return Outcome("hint", f"Hint {number + 1} of {len(self.hints)}: {self.hints[number]}{more}")

    def solution(self) -> Outcome:
        """Return a solution. Try first: it sticks better."""
        return Outcome("solution", f"One solution:\n{self.solution_code}")

    def reset(self) -> Outcome:
        """Forget that the exercise was solved, and begin again with the hints."""
        (self.progress or Progress()).reset(self.id)
        self._num_hints_shown = 0
        return Outcome("reset", f"Exercise {self.id} is open again.")

    def _build_widget(self):
        """Return the task with the four calls as buttons, and the last outcome below them."""
        import ipywidgets

        from ..widgets.base import TeachingWidget, style_html

        view = ipywidgets.HTML()
        made = []
        calls = {"Check": self.check, "Hint": self.hint, "Solution": self.solution, "Reset": self.reset}
        for name, call in calls.items():
            button = ipywidgets.Button(description=name, tooltip=f"{name}: exercise {self.id}")
            button.on_click(lambda _, call=call: setattr(view, "value", style_html(call()._repr_html_())))
            made.append(button)
        task = self._tell()
        return TeachingWidget([ipywidgets.HTML(style_html(task)), ipywidgets.HBox(made), view], repr(self), task)

    def _find_answer(self) -> object:
        from IPython import get_ipython

        shell = get_ipython()
        return shell.user_ns.get(self.variable) if shell is not None else None

    def _name(self) -> str:
        return f"q{int(self.id.split('.')[1])}"

    def _tell(self) -> str:
        return (
            f'<div class="alert alert-info" role="note"><strong>Exercise {self.id}: {html.escape(self.title)}.</strong> '
            f"{mark_code(self.task)}</div>"
        )

    def __repr__(self) -> str:
        return f"Exercise {self.id}: {self.title}. {self.task}"

    def _repr_mimebundle_(self, **options):
        return self._build_widget()._repr_mimebundle_(**options)
