"""A quiz: questions with one right option each."""

from typing import Self

import ipywidgets
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from ...core import ExerciseError
from ..progress import Progress
from ..widgets.base import TeachingWidget
from .exercise import Outcome, make_outcome_button, mark_code

LETTERS = "abcdef"


class Question(BaseModel):
    """A question, its options, the letter of the right one, and why it is right."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    text: str = Field(min_length=1)
    options: tuple[str, ...] = Field(min_length=3, max_length=len(LETTERS))
    answer: str
    why: str = Field(min_length=1)

    @property
    def menu(self) -> dict[str, str]:
        """The options by their letters."""
        return dict(zip(LETTERS, self.options, strict=False))

    @model_validator(mode="after")
    def _check_answer(self) -> Self:
        if self.answer not in self.menu:
            raise ValueError(f"the answer “{self.answer}” is none of {', '.join(self.menu)}")
        return self


class Quiz(BaseModel):
    """Questions with one right option each: `check("b", "a", …)` from the keyboard, radio buttons where it is shown."""

    id: str
    questions: tuple[Question, ...] = Field(min_length=4)
    _chosen: dict[int, str | None] = PrivateAttr(default_factory=dict)  # with the mouse, by the place of the question

    def check(self, *letters: str) -> Outcome:
        """Return how many answers are right, and for each right one why; without letters, of what the mouse chose.

        Raises `ExerciseError` where the number of letters is not that of the questions, or one is no option.
        """
        chosen = list(letters) or [self._chosen.get(place) for place in range(len(self.questions))]
        if len(chosen) != len(self.questions):
            raise ExerciseError(
                f"The quiz has {len(self.questions)} questions, and there are {len(chosen)} answers.",
                "Give one letter per question, such as quiz.check('a', 'b', 'c', 'd').",
            )
        if all(letter is None for letter in chosen):
            return Outcome("not attempted", "Choose an option for each question, then check.")
        lines, num_right = [], 0
        for number, (question, letter) in enumerate(zip(self.questions, chosen, strict=True), start=1):
            if letter is not None and (not isinstance(letter, str) or letter.lower() not in question.menu):
                raise ExerciseError(
                    f"Question {number} has the options {', '.join(question.menu)}.", "Give one of these letters."
                )
            if letter is None:
                lines.append(f"{number}. Open.")
            elif letter.lower() == question.answer:
                num_right += 1
                lines.append(f"{number}. Right. {question.why}")
            else:
                lines.append(f"{number}. Not right. Read the question once more.")
        text = f"{num_right} of {len(self.questions)} right.\n" + "\n".join(lines)
        if num_right < len(self.questions):
            return Outcome("wrong", text)
        Progress().mark_done(self.id)
        return Outcome("right", text)

    def _build_widget(self):
        view = ipywidgets.HTML()
        rows, parts = [], []
        for place, question in enumerate(self.questions):
            title = f"<strong>{place + 1}. {mark_code(question.text)}</strong>"
            options = "<br>".join(f"{letter}) {mark_code(option)}" for letter, option in question.menu.items())
            parts.append(f"<p>{title}<br>{options}</p>")
            menu = ipywidgets.RadioButtons(
                options=[(f"{letter}) {option}", letter) for letter, option in question.menu.items()],
                value=self._chosen.get(place),
                layout=ipywidgets.Layout(width="auto"),
            )
            menu.observe(lambda change, place=place: self._chosen.update({place: change["new"]}), "value")
            rows += [ipywidgets.HTML(f"<p>{title}</p>"), menu]
        button = make_outcome_button("Check", "the quiz", self.check, view)
        return TeachingWidget([*rows, button, view], repr(self), "".join(parts))

    def __repr__(self) -> str:
        return f"Quiz {self.id}: {len(self.questions)} questions."

    def _repr_mimebundle_(self, **options):
        return self._build_widget()._repr_mimebundle_(**options)
