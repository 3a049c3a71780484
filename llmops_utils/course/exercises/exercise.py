"""One exercise: check, hint, solution and reset, each a call and a button."""

import dis
import html
import re
from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from ...core import RecordingMissing, WorkbookError
from ..graders import GRADERS
from ..graders.checks import LearnerCodeRaised, Wrong, check_letters, find_variable, tell_error
from ..progress import Progress
from ..widgets.base import TeachingWidget, make_button, style_html

_UNSET = object()
READABLE = "color:#212121"  # the boxes stay light in a dark theme, which would lighten their text
STYLES = {  # of an outcome by its state: the colour of its box and its title
    "right": ("success", "Right."),
    "wrong": ("warning", "Not yet."),
    "raised": ("danger", "Your code ended in an error."),
    "not attempted": ("info", "Not attempted."),
    "hint": ("info", "Hint."),
    "solution": ("info", "Solution."),
    "reset": ("info", "Open again."),
}


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
        kind, title = STYLES[self.state]
        return (
            f'<div class="alert alert-{kind}" role="status" style="{READABLE}"><strong>{title}</strong> '
            f'<span style="white-space:pre-wrap">{mark_code(self.message)}</span></div>'
        )


def mark_code(text: str) -> str:
    """Return a text as HTML, with what stands in back-ticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def make_outcome_button(name: str, place: str, call: Callable[[], Outcome], view: ipywidgets.HTML) -> ipywidgets.Button:
    """Return a button that shows the outcome of a call in a view."""
    return make_button(name, f"{name}: {place}", lambda: setattr(view, "value", style_html(call()._repr_html_())))


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


class Letters(BaseModel):
    """That an answer is a dict which gives each letter one of the options; which ones are right, the solution says.

    Attributes:
        kind: what an unknown answer is said to be none of; the options themselves where it is empty.
        advice: what is said after the number of right ones; `about` the letters that are not right takes the place of {}.
    """

    model_config = ConfigDict(extra="forbid")

    options: tuple[bool | str, ...]
    kind: str = ""
    advice: str = ""
    about: dict[str, str] = {}

    def grade(self, answer: object, right: dict) -> None:
        """Raise `Wrong` unless an answer is right."""

        def advise(missed: list[str]) -> str:
            return self.advice.replace("{}", "; ".join(dict.fromkeys(self.about.get(letter, "") for letter in missed)))

        check_letters(answer, right, self.options, advise, self.kind)


class Exercise(BaseModel):
    """A task whose answer is checked; `data/exercises/` holds the texts.

    Attributes:
        id: number of the chapter or lesson and of the exercise, such as "01.2" or "06_2.1".
        variable: the name that the learner's answer has in the notebook.
        hints: from vague to nearly told.
        right: what to say to a right answer, where the grader does not say it.
        letters: how an answer of letters is graded; any other has a grader of the same id.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    id: str = Field(pattern=r"^\d\d(_\d+)?\.\d+$")
    title: str = Field(min_length=1)
    variable: str = Field(pattern=r"^[a-z_]\w*$")
    task: str = Field(min_length=1)
    hints: tuple[str, ...] = Field(min_length=2)
    solution_code: str = Field(alias="solution", min_length=1)
    right: str = ""
    letters: Letters | None = None
    _num_hints_shown: int = PrivateAttr(0)

    def check(self, answer: object = _UNSET) -> Outcome:
        """Return whether the answer is right. Without an argument, the notebook's variable is looked up."""
        if answer is _UNSET:
            answer = find_variable(self.variable)
        if is_blank(answer):
            return Outcome("not attempted", f"Put your answer into `{self.variable}`, run that cell, then check again.")
        try:
            message = self._grade(answer) or self.right
        except Wrong as wrong:
            return Outcome("wrong", f"{wrong} A hint: q{self.id.rpartition('.')[2]}.hint().")
        except (LearnerCodeRaised, RecordingMissing) as raised:
            if isinstance(getattr(raised, "cause", raised), RecordingMissing):
                return Outcome(
                    "wrong",
                    "From the recordings only the answer of the solution can be checked. With a model any can: set "
                    "LLMOPS_MODE=auto.",
                )
            given = ", ".join(repr(argument)[:80] for argument in raised.arguments)
            return Outcome(
                "raised",
                f"{raised}\nIt was called with ({given}). "
                "Run it with these arguments in a cell of its own to see where.",
            )
        except WorkbookError:  # of the model, say: it tells what to do
            raise
        except (Exception, SystemExit) as error:
            return Outcome(
                "wrong",
                f"The answer has not the form that was asked for ({tell_error(error)}). "
                "Read the task again, or ask for a hint.",
            )
        Progress().mark_done(self.id)
        return Outcome("right", message)

    def _grade(self, answer: object) -> str | None:
        if self.letters is None:
            return GRADERS[self.id](answer)
        solved: dict = {}
        exec(self.solution_code, solved)
        return self.letters.grade(answer, solved[self.variable])

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
        Progress().reset(self.id)
        self._num_hints_shown = 0
        return Outcome("reset", f"Exercise {self.id} is open again.")

    def _build_widget(self):
        view = ipywidgets.HTML()
        calls = {"Check": self.check, "Hint": self.hint, "Solution": self.solution, "Reset": self.reset}
        buttons = [make_outcome_button(name, f"exercise {self.id}", call, view) for name, call in calls.items()]
        task = (
            f'<div class="alert alert-info" role="note" style="{READABLE}"><strong>{html.escape(self._head())}</strong> '
            f"{mark_code(self.task)}</div>"
        )
        return TeachingWidget([ipywidgets.HTML(style_html(task)), ipywidgets.HBox(buttons), view], repr(self), task)

    def _head(self) -> str:
        end = "" if self.title.endswith("?") else "."
        return f"Exercise {self.id}: {self.title}{end}"

    def __repr__(self) -> str:
        return f"{self._head()} {self.task}"

    def _repr_mimebundle_(self, **options):
        return self._build_widget()._repr_mimebundle_(**options)
