"""Make the teacher's pages: a plan for each lesson, from the lesson itself and `plans.toml`, and courses out of them.

    python book/make_plans.py 06_2    print the plan of a lesson in Markdown

`make book` puts all of them into the part “For teachers”.
"""

import json
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
QUIZ = 5  # minutes


@dataclass
class Lesson:
    """What a lesson says of itself; `minutes` and `num_exercise_minutes` are 0 where it does not say so."""

    stem: str
    address: str
    title: str
    question: str
    goals: str
    minutes: int
    num_exercise_minutes: int
    takes: str
    before: str
    predictions: list[str]
    exercises: list[str]


def read_toml(name):
    """Return the content of a file beside this one."""
    return tomllib.loads((BOOK / name).read_text(encoding="utf-8"))


def read_prose(path):
    """Return the prose of a lesson, cell by cell, up to what stands in depth, without the links to its neighbours."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    prose = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    prose = prose[: next((n for n, text in enumerate(prose) if text.startswith("## In depth")), None)]
    return [re.sub(r"^.*\[Course map\]\(00_start_here.ipynb\).*$", "", text, flags=re.MULTILINE) for text in prose]


def find(pattern, text):
    """Return the first group of a pattern as one line, without a dot or a separator at its end; "" where it is not there."""
    found = re.search(pattern, text, flags=re.DOTALL)
    return " ".join(found[1].split()).rstrip(" ·.") if found and found[1] else ""


def read_lesson(path):
    """Return what a lesson says of itself."""
    prose = read_prose(path)
    address = re.match(r"\d\d(_\d)?", path.stem)[0]
    opening, everything = prose[0], "\n\n".join(prose)
    tasks = ROOT / "data" / "exercises" / f"{address}.toml"
    exercises = tomllib.loads(tasks.read_text(encoding="utf-8")).get("exercises", []) if tasks.exists() else []
    goals = re.search(r"^(This chapter|After this).+?(?=\n+About )", opening, flags=re.DOTALL | re.MULTILINE)
    return Lesson(
        stem=path.stem,
        address=address,
        title=find("# (.+?)\n", opening),
        question=find(r"\*\*The question:\*\* (.+?)(?:\n\n|$)", opening),
        goals=goals[0].strip() if goals else "",
        minutes=int(find(r"About (\d+) minutes", opening) or 0),
        num_exercise_minutes=int(find(r"About \d+ minutes, (\d+) of them", opening) or 0),
        takes=find(r"(About \d+ minutes.+?)(?:[Bb]uilds\s+on|\n\n|$)", opening),
        before=find(r"[Bb]uilds\s+on\s+(.+?)(?:\n\n|$)", opening),
        predictions=[
            " ".join((text[0].upper() + text[1:]).split())
            for text in re.findall(r"\*\*Predict:\*\* (.+?)(?:\n\n|$)", everything, flags=re.DOTALL)
        ],
        exercises=[exercise["title"] for exercise in exercises],
    )


def read_lessons():
    """Return all lessons by their address; a notebook that is a whole chapter is none, but for the first."""
    lessons = [read_lesson(path) for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]*.ipynb"))]
    return {one.address: one for one in lessons if "_" in one.address or one.address == "00"}


def list_items(texts):
    """Return texts as a list in Markdown."""
    return "\n".join(f"- {text}" for text in texts)


def make_plan(lesson, plan):
    """Return the page of a lesson."""
    asked = "\n".join(f"{number}. **{ask}**<br>{likely}" for number, (ask, likely) in enumerate(plan["board"], start=1))
    rest = lesson.minutes - lesson.num_exercise_minutes - QUIZ
    shares = f"{rest} for board and lesson, {lesson.num_exercise_minutes} for the exercises, {QUIZ} for the quiz"
    facts = [
        ("aim", plan["aim"]),
        ("question", lesson.question[0].upper() + lesson.question[1:]),
        ("before", lesson.before or "–"),
        ("takes", lesson.takes),
    ]
    facts += [("minutes", shares)] if lesson.num_exercise_minutes else []
    parts = {
        "For the board": asked,
        "What learners believe": list_items(plan["misread"]),
        "Predictions on the way": list_items(lesson.predictions) or "None.",
        "Exercises": list_items([*lesson.exercises, "Quiz"]),
        "When it does not work, or time is short": plan["fails"],
    }
    rows = [f"| **{name}** | {text} |" for name, text in facts]
    table = "\n".join([rows[0], "|---|---|", *rows[1:]])
    return "\n\n".join(
        [
            f"# Plan of {lesson.title}",
            f"[To the lesson]({lesson.stem}.ipynb)",
            table,
            lesson.goals,
        ]
        + [f"## {name}\n\n{text}" for name, text in parts.items()]
    )


def make_courses(lessons):
    """Return the page with the courses and, below, a list of all plans."""
    parts = ["# Courses and lesson plans", "A plan fits on one sheet of paper: print its page from the browser."]
    for course in read_toml("courses.toml")["courses"]:
        rows, total = [], 0
        for name, addresses in course["parts"]:
            here = [lessons[address] for address in addresses if address in lessons]
            minutes = sum(lesson.minutes for lesson in here)
            total += minutes
            links = ", ".join(f"[{lesson.title}](plan_{lesson.address}.md)" for lesson in here)
            rows.append(f"| {name} | {links} | {minutes} |")
        table = "\n".join(["| when | lessons | minutes |", "|---|---|---|", *rows])
        hours = f"Lessons and exercises take {total // 60} hours and {total % 60} minutes, without breaks."
        parts.append(f"## {course['name']}\n\n{course['told']}\n\n{table}\n\n{hours}")
    return "\n\n".join(parts)


def make_pages():
    """Return the pages for teachers by their names, that of the courses first."""
    lessons, plans = read_lessons(), read_toml("plans.toml")
    pages = {
        f"plan_{address}": make_plan(lesson, plans[address]) for address, lesson in lessons.items() if address in plans
    }
    names = "\n".join(pages)
    tree = f"## All plans\n\n```{{toctree}}\n:maxdepth: 1\n\n{names}\n```"
    return {"plans": f"{make_courses(lessons)}\n\n{tree}", **pages}


def find_explaining(word, prose):
    """Return the address of the first lesson that sets a word in italics or bold; None where there is none."""
    spelt = re.escape(word).replace(r"\ ", r"\s+").replace(r"\-", "[- ]")
    pattern = re.compile(rf"\*{spelt}(@k)?(e?s|ing)?[*,]", flags=re.IGNORECASE)
    return next((address for address, text in prose.items() if pattern.search(text)), None)


def make_glossary():
    """Return the page of the words, each with the lesson that first explains it."""
    lessons = read_lessons()
    prose = {one.address: "\n".join(read_prose(ROOT / "notebooks" / f"{one.stem}.ipynb")) for one in lessons.values()}
    rows = []
    for word, told in sorted(read_toml("glossary.toml").items(), key=lambda item: item[0].lower()):
        meaning, address = told if isinstance(told, list) else (told, find_explaining(word, prose))
        link = f"[{lessons[address].title}]({lessons[address].stem}.ipynb)" if address in lessons else "–"
        rows.append(f"| **{word}** | {meaning} | {link} |")
    return "\n".join(["# Words", "", "| word | meaning | lesson |", "|---|---|---|", *rows, ""])


def main():
    """Print the plan of a lesson."""
    lessons, plans = read_lessons(), read_toml("plans.toml")
    address = sys.argv[1] if len(sys.argv) > 1 else ""
    if address not in lessons or address not in plans:
        sys.exit(f"Name a lesson: {', '.join(address for address in lessons if address in plans)}")
    print(make_plan(lessons[address], plans[address]))


if __name__ == "__main__":
    main()
