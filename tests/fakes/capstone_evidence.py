"""Evidence for tests of the capstone: runs on the course's own messages, with replies that are made here."""

from contextlib import suppress
from types import SimpleNamespace

from llmops_utils import course
from llmops_utils.core import PromptError, load_settings
from llmops_utils.course.capstone import ABSENT
from llmops_utils.course.submissions import make_submission
from llmops_utils.evaluation import Report, Row
from llmops_utils.operations import load_release, open_release, promote, roll_back
from llmops_utils.prompts import save_prompt
from llmops_utils.tracking import Runs

PLAIN = course.load_plain()
NAME, STALE = course.load_brief().prompt, course.load_brief().stale["page"]
PROMPT = PLAIN.prompt.replace(instruction="", output="Answer with words of the text:")
CANDIDATE = course.Choices(
    prompt=PROMPT, model="pellworth", num_passages=2, num_sentences=2, is_current=True, refuses="check"
)


def know(message, chunks):
    """Reply rightly where a passage holds the answer."""
    held = [chunk for chunk in chunks if message.answer and message.answer in " ".join(chunk.text.split())]
    return message.answer if held else ABSENT


def copy_passage(message, chunks):
    """Reply with the beginning of what was found."""
    return " ".join(chunks[0].text.split("\n", 1)[-1].split()[:12]) if chunks else ""


def refuse(message, chunks):
    """Refuse always."""
    return ABSENT


def guess(message, chunks):
    """Reply as production does: rightly on each fifth message, else with what stands in no passage."""
    return message.answer if message.answer and int(message.id[-3:]) % 5 == 0 else "Please ask our friendly team."


made = {}  # reports, since each of many tests wants the same


def make_report(name, part, choices, reply, tokens=120):
    """Return a report on a part, whose replies are those of `reply(message, passages)`."""
    key = (name, part, choices.model_dump_json(), reply, tokens, load_settings().examples)
    if key not in made:
        made[key] = answer_part(name, part, choices, reply, tokens)
    return made[key]


def answer_part(name, part, choices, reply, tokens):
    """Return the report anew."""
    assistant = course.Assistant(None, choices, part in ("stale", "mended"))
    rows = []
    for place, (example, message) in enumerate(zip(course.load_part(part), course.list_messages(part), strict=False)):
        chunks = assistant.find(example.input)
        said = reply(message, chunks)
        answer, page = assistant.decide(said, chunks)
        score = float(course.score_answer(answer, example.expected).value)
        trace = [{"reply": said, "read": [one.id for one in chunks], "page": page}]
        latency_s = 0.3 + 0.01 * (place % 5)
        asked = (example.id, example.input, example.expected)
        rows.append(Row(*asked, answer, score, "", tokens, 6, 1, latency_s, 0.0, "", trace))
    return Report(name, tuple(rows), "tiny (weights a), replay of 2026-12-02", 1.0)


def make_run(name, part, choices, reply, started, **more):
    """Return what a grade reads of a run."""
    about = {"part": part, "choices": choices.model_dump_json()}
    report = make_report(name, part, choices, reply, **more)
    return SimpleNamespace(name=name, parameters=about, started_ms=started, report=report)


def make_runs(choices=CANDIDATE, reply=know, **more):
    """Return the runs of a whole attempt; with the defaults of one that meets every criterion."""
    changed, mended = (choices.model_copy(update=one) for one in ({"model": "other"}, {"without": (STALE,)}))
    return [
        make_run("plain", "dev", PLAIN, guess, 1),
        make_run("mine", "dev", choices, reply, 2, **more),
        make_run("plain, held", "held", PLAIN, guess, 3),
        make_run("mine, held", "held", choices, reply, 4, **more),
        make_run("other model", "changed", changed, guess, 5),
        make_run("stale", "stale", choices, reply, 6),
        make_run("mended", "mended", mended, reply, 7),
    ]


def make_release(folder, choices=CANDIDATE, steps=("plain", "candidate", "changed", "back")):
    """Return the state of a registry in which these steps were taken."""
    models = {"plain": "", "candidate": choices.model, "changed": "other"}
    for prompt in dict.fromkeys((PLAIN.prompt, choices.prompt)):
        save_prompt(prompt, folder)
    open_release(NAME, "answer", folder)
    for step in steps:
        if step == "back":
            roll_back(NAME, folder)
            continue
        name = models[step]
        source = f"tiny+{name}" if name else "tiny"
        model = SimpleNamespace(name=source, connection=SimpleNamespace(adapter=None, source=f"weights of {source}"))
        with suppress(PromptError):  # it is in production already
            promote(NAME, 1 if step == "plain" or choices.prompt == PLAIN.prompt else 2, folder, model=model)
    return load_release(NAME, folder)


def make_evidence(folder, runs=None, release=..., watch=..., choices=CANDIDATE, problems=(), learner="ada"):
    """Return a submission: complete, but for what is given here."""
    found = Runs(tuple(make_runs(choices) if runs is None else runs), problems)
    release = make_release(folder, choices) if release is ... else release
    return make_submission(learner, choices, found, release, course.Watch() if watch is ... else watch)
