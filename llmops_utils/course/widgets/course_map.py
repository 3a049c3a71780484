"""The map of the course with the learner's progress."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

from ...core import NOTEBOOKS, Html, draw_table
from ..exercises import list_exercises
from ..progress import Progress

CHAPTERS = (
    ("00_start_here", "Start here", "Does it run here, and how do I use this course?"),
    ("01_llm_basics", "LLM basics", "What is an LLM, what can it do, where does it fail?"),
    ("02_what_is_llmops", "What is LLMOps", "What is LLMOps, and what does it take to run it?"),
    ("03_choosing_an_llm", "Choosing an LLM", "Which model should I use?"),
    ("04_training_an_llm", "Training an LLM", "What would training my own take?"),
    ("05_prompt_basics", "Prompt basics", "What is a prompt and what makes a good one?"),
    ("06_prompting_basic", "Basic prompting", "How far do zero-shot, few-shot and templates take you?"),
    ("07_prompting_advanced", "Advanced prompting", "What do combined, chained and self-written prompts buy?"),
    ("08_prompting_specialized", "Specialised prompting", "What can a model do that may calculate and look things up?"),
    ("09_rag", "RAG", "How does it answer from my documents?"),
    ("10_experiment_tracking", "Experiment tracking", "What did I try, and which was better?"),
    ("11_evaluating_llms", "Evaluating LLMs", "Can I trust the number?"),
    ("12_operating_llms", "Operating LLMs", "How do I keep it running, affordable and safe?"),
    ("13_capstone", "Capstone", "Can I take an assistant from a plain prompt to a watched release?"),
)


@dataclass(frozen=True)
class CourseMap:
    """A table of the chapters: question, and how many exercises are solved. Solved ones come from `Progress`."""

    progress: Progress
    folder: Path = NOTEBOOKS

    def _rows(self) -> list[tuple[str, str, str, int, int]]:
        done = self.progress.read()
        rows = []
        for name, title, question in CHAPTERS:
            ids = list_exercises(name)
            rows.append((name, title, question, sum(one in done for one in ids), len(ids)))
        return rows

    def __repr__(self) -> str:
        return "\n".join(
            f"{name[:2]} {title}: {solved} of {total} solved" for name, title, _, solved, total in self._rows()
        )

    def _repr_html_(self) -> str:
        rows = []
        for name, title, question, solved, total in self._rows():
            link = Html(f"<a href='{name}.ipynb'>{name[:2]} {html.escape(title)}</a>")
            rows.append((link, question, f"{'●' * solved}{'○' * (total - solved)} {solved} of {total}"))
        return draw_table(("chapter", "question", "exercises solved"), rows, align="llr")
