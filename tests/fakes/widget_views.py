"""Widgets on small invented data, and what their views show: for the tests of the widgets."""

import re
from dataclasses import replace
from html import unescape
from types import SimpleNamespace
from xml.etree import ElementTree

import ipywidgets
import numpy as np
import pandas as pd
from fake_results import RESULT

from llmops_utils import course
from llmops_utils.agents import Step, Trace
from llmops_utils.core import RecordingMissing
from llmops_utils.course.adaptation import Situation
from llmops_utils.datasets import Example, Message, Task
from llmops_utils.evaluation import Answer, ExactMatch, NumberMatch, Report, Row
from llmops_utils.models import Provenance, Reply, TokenChance
from llmops_utils.operations import AlertRule, Monitor, Request
from llmops_utils.prompts import Prompt
from llmops_utils.rag import Retriever, parse_page, split_pages
from llmops_utils.rag.measures import locate_passages
from llmops_utils.tracking import Run

EVIL = "<script>alert('x')</script> & \"more\""
ESCAPED = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;more&quot;"
STYLED = '<div class="jp-RenderedHTMLCommon">'


# --- what is shown -------------------------------------------------------------------------------------------


def read_bundle(shown):
    bundle = shown._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


def list_parts(widget):
    """Return a widget and all that it is made of."""
    return [widget, *(found for child in getattr(widget, "children", ()) for found in list_parts(child))]


def read_views(widget):
    """Return all HTML that a widget shows now."""
    return "".join(part.value for part in list_parts(widget) if isinstance(part, ipywidgets.HTML))


def press(widget, name):
    """Press the button of this name."""
    [button] = [one for one in list_parts(widget) if isinstance(one, ipywidgets.Button) and one.description == name]
    button.click()
    return button


def read_rows(html):
    """Return the cells of the rows of all tables' bodies, without tags."""
    bodies = re.findall(r"<tbody>(.*?)</tbody>", html, re.DOTALL)
    rows = [row for body in bodies for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    return [[unescape(re.sub("<[^>]+>", "", cell)) for cell in row] for row in cells]


def read_bars(html):
    """Return (label, percentage, width) of each row that `draw_bars` made."""
    rows = re.findall(
        r"<code>(.*?)</code>.*?<td[^>]*>([\d.]+)%</td>.*?width:([\d.]+)%", html.partition("<tbody>")[2], re.DOTALL
    )
    return [(unescape(label), float(share), float(width)) for label, share, width in rows]


def find_open_tag(html):
    """Return what is not closed and where, None where all tags are closed in their place."""
    closed = re.sub(r"<(br|img)([^>]*?)/?>", r"<\1\2/>", html)
    try:
        ElementTree.fromstring(f"<div>{closed}</div>")
    except ElementTree.ParseError as error:
        return str(error)
    return None


# --- widgets on small data; every text of a learner or a model can be exchanged for another one --------------


class FakeTokens:
    """A model with the same distribution after every text; keeps the texts, and fails while `fault` is set."""

    def __init__(self, tokens):
        self.tokens, self.prompts, self.fault = tokens, [], None

    def next_tokens(self, prompt, num):
        self.prompts.append(prompt)
        if self.fault:
            raise self.fault
        return [TokenChance(text, probability) for text, probability in self.tokens.items()][:num]


def shape(probabilities, temperature, top_p):
    """Return what temperature, then top-p leave of a distribution."""
    heated = (probabilities / probabilities.sum()) ** (1 / temperature)
    heated /= heated.sum()
    kept = np.where(np.cumsum(heated) - heated < top_p - 1e-9, heated, 0)
    return kept / kept.sum()


def make_explorer(model=None, prompt="The kettle is"):
    return course.NextTokenExplorer(model or FakeTokens({" red": 0.5, " blue": 0.3, " green": 0.2}), prompt, shape)


def make_scorecard(small="small"):
    scores = {small: {"quality": 0.2, "price": 1.0}, "large": {"quality": 0.9, "price": 0.1}}
    return course.ModelScorecard(scores, {"quality": 5, "price": 5})


def make_table(text="a page"):
    columns = {"model": ["Beta", "alpha", "gamma"], "maker": ["X", "Y", "X"], "size": [3.0, np.nan, 20.0]}
    columns["source"] = ["https://host.example/a", text, "another page"]
    return course.TableExplorer(pd.DataFrame(columns), "Models", ["maker"])


def make_reply(text, num_read=31, finish_reason="stop"):
    return Reply(text, num_read, 2, 0.5, 0.0, Provenance("small", "weights", "replay"), finish_reason)


class FakeChat:
    """Answers only where an example was shown; knows some messages, as recordings would; keeps what it was asked."""

    def __init__(self, answer, known):
        self.answer, self.known, self.asked = answer, known, []

    def chat(self, messages, max_tokens):
        if self.known not in messages[-1]["content"]:
            raise RecordingMissing("There is no recording.", "Run live.")
        self.asked.append(messages)
        has_example = any(message["role"] == "assistant" for message in messages)
        num_words = sum(len(message["content"].split()) for message in messages)
        return make_reply(self.answer if has_example else "Thank you.", num_words)


def build_messages(prompt, text, shots):
    *system, question = prompt.render(message=text)
    turns = []
    for shot in shots:
        turns += [prompt.render(message=shot.input)[-1], {"role": "assistant", "content": shot.expected}]
    return [*system, *turns, question]


def make_workbench(model=None, first="My kettle leaks."):
    prompt = Prompt("p", "Name it.", "We sell kettles.", "{{ message }}", "Product:", system=("instruction", "context"))
    examples = [Example("a", first, "kettle"), Example("b", "Another one.", "scale")]
    shots = [Example("s", "The grinder is loud.", "grinder")]
    return course.PromptWorkbench(
        model or FakeChat("kettle", first), prompt, examples, shots, build_messages, ExactMatch()
    )


def make_report(name, labels, predictions, tokens=0):
    """Return a report on as many messages as there are labels."""
    rows = []
    for number, (label, said) in enumerate(zip(labels, predictions, strict=True)):
        rows.append(Row(f"m{number}", f"message {number}", label, said, float(said == label), "", tokens))
    return Report(name, tuple(rows), "tiny (a), replay", 1.0)


class FakeMeasure:
    """Measures without a model: the answer is the intent of the last example, “delivery” without one."""

    def __init__(self):
        self.calls, self.fault = [], None

    def __call__(self, shots, name):
        if self.fault:
            raise self.fault
        self.calls.append((name, [shot.id for shot in shots]))
        said = shots[-1].intent if shots else "delivery"
        return make_report(name, ["delivery", "repair"] * 4, [said] * 8)


def make_picker(measure=None, name="only repair"):
    usual = {"second_intent": "none", "sentiment": "neutral", "urgency": "low", "product": "none", "order_id": "none"}
    pool = [
        Message(id=f"s{number}", split="shots", text=f"text {number}", intent=intent, **usual)
        for number, intent in enumerate(["delivery", "repair", "repair", "delivery"])
    ]
    ready = {"none": [], name: pool[1:3]}
    measure = measure or FakeMeasure()
    return course.ShotPicker(pool, ready, measure, {key: measure(shots, key) for key, shots in ready.items()})


PROBLEMS = [Example("p-1", "A shop has 2 boxes of 7 lids.", "14"), Example("p-2", "9 cups cost 13 euros each.", "117")]


def answer_directly(question):
    return Answer(14, (make_reply("14"),), [{"step": "answer", "prompt": question, "answer": 14}])


def answer_in_two(question):
    trace = [
        {"step": "expression", "prompt": question, "answer": "2 * 7"},
        {"step": "result", "prompt": "2 * 7", "answer": 13},
    ]
    return Answer(13, (make_reply("2 * 7"), make_reply("13", finish_reason="length")), trace)


def make_chain(problems=PROBLEMS, **ways):
    return course.ChainExplorer(
        problems, ways or {"direct": answer_directly, "two prompts": answer_in_two}, NumberMatch()
    )


def make_inspector(question="What is the value of PW-30287?"):
    order = Step("It is an order.", "find_order", "PW-30287", "3 x Nuvia 1.5, 49.90 EUR each")
    traces = [
        Trace(question, "149.70", (order, Step("I add up.", "calculate", "3 * 49.90", "149.7")), "finished"),
        Trace("Which model is it?", None, (order, order, order), "step limit"),
    ]
    usual = {"split": "dev", "kind": "order"}
    tasks = [
        Task(id="a", question=question, answer="149.7", tools=("find_order", "calculate"), **usual),
        Task(id="b", question="Which model is it?", answer="Nuvia 1.5", tools=("find_order",), **usual),
    ]
    return course.TraceInspector(traces, tasks)


MEANINGS = {"fine": "The answer is right.", "wrong": "It is not."}


def make_tagger(text="What does it cost?"):
    texts = {f"q{number}": {"question": text, "answer": f"{number} euros"} for number in (1, 2, 3)}
    return course.Tagger(texts, MEANINGS)


GOLD = "A parcel waits in a locker for 48 hours."
LOCKER, OWNER = "How long does a parcel wait in a locker?", "Who is the owner?"


class CountingModel:
    """Counts words as tokens, or fails while `fault` is set."""

    fault = None

    def count_tokens(self, messages):
        if self.fault:
            raise self.fault
        return sum(len(message["content"].split()) for message in messages)


def write_prompt(question, hits):
    return [{"role": "user", "content": "\n".join([*(hit.chunk.text for hit in hits), question])}]


def make_retrieval(model=None, text="she is at home"):
    pages = [
        parse_page("lockers", f"# Lockers\n\nLockers are yellow. {GOLD} After that it travels back."),
        parse_page("people", f"# People\n\nThe owner says that {text} today. A locker is near."),
    ]
    index = SimpleNamespace(chunks={chunk.id: chunk for chunk in split_pages(pages)})
    searches = {name: Retriever(index, "lexical") for name in ("dense", "fused")}
    questions = {LOCKER: locate_passages([GOLD], ["lockers"], pages), OWNER: ()}
    return course.RetrievalInspector(searches, write_prompt, model or CountingModel(), questions)


PLAIN = Prompt("plain", instruction="Name the intent.", input="{{ message }}")
CAREFUL = Prompt("careful", instruction="Name the intent carefully.", input="{{ message }}")


def make_run(name, shots, right, prompt=PLAIN, tokens=30.0, num=12):
    """Return a run that answers the messages with these numbers right."""
    said = ["repair" if number in right else "return" for number in range(num)]
    report = make_report(name, ["repair"] * num, said)
    metrics = {"score": report.score.value, "score_low": report.score.low, "score_high": report.score.high}
    metrics |= {"prompt_tokens": tokens, "completion_tokens": 2.0}
    run = Run(name, name, "p", 0, 1.0, (), False, {"model": "tiny", "shots": shots}, metrics, {}, (), {}, None)
    vars(run).update(report=report, prompt=prompt)
    return run


def make_grid(first="zero"):
    eight = make_run("eight", 8, set(range(1, 11)), CAREFUL, 240.0)
    return [make_run(first, 0, {0}), make_run("four", 4, {0, 1, 2}, tokens=120.0), eight]


def make_runs_dashboard(runs=None, pair=None):
    runs = runs or make_grid()
    metrics = ["score", "prompt_tokens", "completion_tokens"]
    return course.RunDashboard(runs, ["shots"], metrics, pair=pair or (runs[0].name, runs[-1].name))


def make_requests(num, **changes):
    """Return requests whose latency goes up and down, so that windows are all alike."""
    fields = {"cluster": "a", "answer": "b", "prompt_tokens": 10, "completion_tokens": 2, "cost_usd": 0.001}
    return [Request(**(fields | {"latency_s": 0.1 + 0.01 * (place % 10)} | changes)) for place in range(num)]


def make_monitor_dashboard(monitor=None, quiet="quiet"):
    monitor = monitor or Monitor(make_requests(200), size=10, rule=AlertRule(0.99, 2))
    slow = make_requests(50) + make_requests(50, latency_s=0.9)
    return course.MonitorDashboard(monitor, {quiet: make_requests(100), "slow": slow}, start=50)


TONE = Situation("form", "yearly", "dozens", "not needed")


def make_widgets(text):
    """Return one widget of each kind; where it takes a text, this one stands in it."""
    return [
        course.AdaptationChooser({text: Situation(), "tone": TONE}),
        make_chain([Example("p", text, "14")]),
        course.LifecycleMap(),
        course.TechniqueMap({text: [replace(RESULT, chapter="06_1", technique=text)]}),
        make_scorecard(text),
        make_monitor_dashboard(quiet=text),
        make_explorer(prompt=text),
        course.PowerCalculator(),
        make_workbench(first=text),
        course.ProviderChooser(),
        make_retrieval(text=text),
        make_runs_dashboard(make_grid(text)),
        make_picker(name=text),
        make_table(text),
        make_tagger(text),
        make_inspector(text),
        course.TrainingCalculator(2.0, 0.4),
    ]
