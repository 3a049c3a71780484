"""A quiz: questions with one right option each."""

from __future__ import annotations

import html
from dataclasses import dataclass

import ipywidgets

from ...core import ExerciseError
from ..progress import Progress
from ..widgets.base import TeachingWidget, style_html
from .exercise import Outcome


@dataclass(frozen=True)
class Question:
    """A question, its options, the index of the right one, and why it is right."""

    text: str
    options: tuple[str, ...]
    answer: int
    why: str


class Quiz(TeachingWidget):
    """Questions as radio buttons; `check("b", "a", …)` does the same from the keyboard.

    Args:
        id: chapter and "quiz", such as "01.quiz".
        questions: at least four.
    """

    def __init__(self, id: str, questions: tuple[Question, ...]) -> None:
        self.id, self.questions = id, questions
        self.progress: Progress | None = None
        self.menus = [
            ipywidgets.RadioButtons(
                options=[
                    (f"{letter}) {option}", letter) for letter, option in zip("abcdef", question.options, strict=False)
                ],
                value=None,
                layout=ipywidgets.Layout(width="auto"),
            )
            for question in questions
        ]
        self.view = ipywidgets.HTML()
        button = ipywidgets.Button(description="Check", tooltip="Check the quiz")
        button.on_click(lambda _: setattr(self.view, "value", style_html(self.check()._repr_html_())))
        rows = []
        for number, (question, menu) in enumerate(zip(questions, self.menus, strict=True), start=1):
            rows += [ipywidgets.HTML(f"<p><strong>{number}. {html.escape(question.text)}</strong></p>"), menu]
        super().__init__([*rows, button, self.view], f"Quiz {id}: {len(questions)} questions.", _tell(questions))

    def check(self, *letters: str) -> Outcome:
        """Return how many answers are right, and for each right one why.

        Args:
            letters: one letter per question; without any, what is chosen with the mouse.

        Raises:
            ExerciseError: the number of letters is not that of the questions, or one is no option.
        """
        chosen: list[str | None] = list(letters) or [menu.value for menu in self.menus]
        if len(chosen) != len(self.questions):
            raise ExerciseError(
                f"The quiz has {len(self.questions)} questions, and there are {len(chosen)} answers.",
                "Give one letter per question, such as quiz.check('a', 'b', 'c', 'd').",
            )
        if all(letter is None for letter in chosen):
            return Outcome("not attempted", "Choose an option for each question, then check.")
        lines, num_right = [], 0
        for number, (question, letter) in enumerate(zip(self.questions, chosen, strict=True), start=1):
            valid = "abcdef"[: len(question.options)]
            if letter is not None and (not isinstance(letter, str) or letter.lower() not in tuple(valid)):
                raise ExerciseError(
                    f"Question {number} has the options {', '.join(valid)}.", "Give one of these letters."
                )
            if letter is not None and valid.index(letter.lower()) == question.answer:
                num_right += 1
                lines.append(f"{number}. Right. {question.why}")
            else:
                lines.append(f"{number}. {'Open.' if letter is None else 'Not right. Read the question once more.'}")
        text = f"{num_right} of {len(self.questions)} right.\n" + "\n".join(lines)
        if num_right < len(self.questions):
            return Outcome("wrong", text)
        (self.progress or Progress()).mark_done(self.id)
        return Outcome("right", text)


def _tell(questions: tuple[Question, ...]) -> str:
    parts = []
    for number, question in enumerate(questions, start=1):
        options = "<br>".join(
            f"{letter}) {html.escape(option)}" for letter, option in zip("abcdef", question.options, strict=False)
        )
        parts.append(f"<p><strong>{number}. {html.escape(question.text)}</strong><br>{options}</p>")
    return "".join(parts)
