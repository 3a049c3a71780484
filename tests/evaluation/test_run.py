"""Claims about `evaluate` and what an interrupted run keeps."""

import _thread
import gc
import json
import os
import signal
import threading
import time
from functools import partial
from random import Random

import numpy as np
import pandas as pd
import pytest

from llmops_utils.core import errors
from llmops_utils.datasets import Example, load_messages
from llmops_utils.evaluation import Answer, ChoiceMatch, ExactMatch, Row, Score, evaluate
from llmops_utils.models import Provenance, Reply
from llmops_utils.operations import TASKS, make_system
from llmops_utils.prompts import Prompt, load_prompt, save_prompt


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def heard_interrupts():
    """Let an interrupt be heard: a shell starts what runs in its background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def make_examples(num):
    return [Example(f"e{number:02}", f"input {number}", f"input {number}") for number in range(num)]


def make_reply(text="yes", parsed=None, cost_usd=0.001, model="fake", seed=None):
    provenance = Provenance(model, "127.0.0.1", "live", seed)
    return Reply(text, 10, 2, 0.5, cost_usd, provenance, parsed=parsed)


def score_half(prediction, expected):
    return Score(0.5)


def list_files(home):
    return sorted(path for path in home.rglob("*") if path.is_file())


class Stop:
    """Presses the stop button once, after so many inputs and a moment; those after it take a while, as a model does."""

    def __init__(self, after, delay_s=0.03):
        self.after, self.delay_s = after, delay_s
        self.inputs, self.is_pressed, self._lock = [], False, threading.Lock()

    def note(self, text):
        with self._lock:
            self.inputs.append(text)
            presses = len(self.inputs) == self.after and not self.is_pressed
            self.is_pressed |= presses
        if presses:
            time.sleep(self.delay_s)
            _thread.interrupt_main()
        if self.is_pressed and self.after:
            time.sleep(0.005)

    def echo(self, text):
        """Note the input and give it back: a system."""
        self.note(text)
        return text

    def press_again(self, after):
        """Press once more, after so many further inputs."""
        self.is_pressed, self.after = False, len(self.inputs) + after

    def release(self):
        """Let the next run go through."""
        self.after = 0


def interrupt(system, examples, scorer=None, key="stated", **options):
    """Run until the stop button is pressed and return the error; a bare KeyboardInterrupt would end pytest."""
    gc.disable()  # Python swallows an interrupt that comes while it collects garbage
    try:
        with pytest.raises(errors.EvaluationInterrupted) as caught:
            evaluate(system, examples, scorer or ExactMatch(), key=key, **options)
    except KeyboardInterrupt:
        pytest.fail("The interrupt went through evaluate.")
    finally:
        gc.enable()
    return caught.value


# --- rows ----------------------------------------------------------------------------------------------------


def test_rows_keep_the_order_of_the_examples_where_the_first_is_answered_last():
    last_is_done = threading.Event()

    def system(text):
        if text == "input 3":
            last_is_done.set()
        elif text == "input 0":
            assert last_is_done.wait(5)
        return text

    report = evaluate(system, (example for example in make_examples(4)), ExactMatch(), parallel=4)
    assert [row.id for row in report.rows] == ["e00", "e01", "e02", "e03"]
    assert [row.prediction for row in report.rows] == ["input 0", "input 1", "input 2", "input 3"]
    assert (report.name, list(report.scores)) == ("system", [1, 1, 1, 1])


def test_the_prediction_is_a_value_what_a_reply_was_parsed_to_or_else_its_text():
    report = evaluate(lambda text: {"label": text}, make_examples(1), lambda prediction, expected: Score(1.0, "fine"))
    assert report.rows == (Row("e00", "input 0", "input 0", {"label": "input 0"}, 1.0, "fine"),)
    assert (report.prompt_tokens, report.completion_tokens, report.latency_s, report.cost_usd) == (0, 0, 0, 0)
    assert report.provenance == "no model asked"
    for parsed, expected in [(None, "yes"), ({"a": 1}, {"a": 1}), (0, 0), (False, False), ("", "")]:
        (row,) = evaluate(lambda text, parsed=parsed: make_reply("yes", parsed), make_examples(1), score_half).rows
        assert (row.prediction, type(row.prediction)) == (expected, type(expected))
    for no_file_can_hold in (threading.Lock(), {(1, 2): "a"}):
        report = evaluate(lambda text, given=no_file_can_hold: given, make_examples(2), score_half, key="stated")
        assert list(report.scores) == [0.5, 0.5]


def test_the_replies_of_system_and_scorer_bring_tokens_seconds_dollars_and_provenance():
    def system(text):
        first = make_reply(cost_usd=None, model="large") if text == "input 2" else make_reply(seed=7)
        return Answer("yes", (first, make_reply(cost_usd=0.002)), [{"thought": "hm"}])

    one = evaluate(lambda text: make_reply(seed=7), make_examples(3), ExactMatch())
    assert one.rows[0] == Row("e00", "input 0", "input 0", "yes", 0.0, "found: yes", 10, 2, 1, 0.5, 0.001)
    assert one.provenance == "fake (127.0.0.1), live"
    report = evaluate(system, make_examples(3), lambda *_: Score(1.0, replies=(make_reply("graded", model="judge"),)))
    row = report.rows[1]
    assert (row.prediction, row.prompt_tokens, row.completion_tokens, row.num_calls) == ("yes", 30, 6, 3)
    assert (row.latency_s, row.cost_usd) == pytest.approx((1.5, 0.004))
    assert row.trace == [{"thought": "hm"}]
    assert (report.rows[2].cost_usd, report.cost_usd) == (None, None)  # of one reply the price is unknown
    assert report.provenance == "fake (127.0.0.1), live; large (127.0.0.1), live"


def test_as_many_examples_are_on_their_way_as_asked_for_or_set(monkeypatch):
    monkeypatch.setenv("LLMOPS_PARALLEL", "2")
    for parallel, num in ((1, 1), (4, 4), (None, 2)):
        gate, on_their_way, seen = threading.Barrier(num), [], []

        def system(text, gate=gate, on_their_way=on_their_way, seen=seen):
            on_their_way.append(text)
            seen.append(len(on_their_way))
            gate.wait(5)  # lets through only as many at once
            time.sleep(0.01)  # one too many would come in now
            on_their_way.remove(text)
            return text

        report = evaluate(system, make_examples(8), ExactMatch(), parallel=parallel)
        assert (report.num_failed, max(seen)) == (0, num)


# --- failures ------------------------------------------------------------------------------------------------


def make_raising(raised):
    """Return a system that raises for each input the error at its number, and gives it back where that is None."""

    def system(text):
        error = raised[int(text.split()[1])]
        if error is not None:
            raise error
        return text

    return system


def test_an_error_that_the_next_example_may_not_meet_is_a_failed_row_that_names_it():
    told = "It did not work."
    kinds = (errors.RateLimited, errors.ProviderDown, errors.Unreachable, errors.RequestRefused, errors.DataError)
    cases = {f"{kind.__name__}: {told}": kind(told, "Wait.") for kind in kinds} | {
        "ValueError: " + "x" * 488: ValueError("x" * 1000),
        "KeyError: 'intent'": KeyError("intent"),
        "AssertionError: ": AssertionError(),
    }
    report = evaluate(make_raising([None, *cases.values()]), make_examples(1 + len(cases)), ExactMatch(), parallel=1)
    assert [row.error for row in report.rows] == ["", *cases]
    assert report.rows[1] == Row("e01", "input 1", "input 1", None, 0.0, error=f"RateLimited: {told}")
    for scorer in (lambda *_: Score(2.0), lambda *_: True):  # breaks the rules from the second example on
        graded = evaluate(str, make_examples(2), lambda said, *_, scorer=scorer: Score(1) if "0" in said else scorer())
        assert graded.rows[1].error.startswith("DataError: ")


def test_an_async_system_is_refused_with_the_reason():
    async def answer(text):
        return text

    async def stream(text):
        yield text

    for system in (answer, partial(answer), lambda text: answer(text), stream):
        with pytest.raises(errors.DataError, match=r"(?s)gives an? \w+, not an answer.*asyncio\.run"):
            evaluate(system, make_examples(1), ExactMatch(), name="async")


def test_eight_failures_without_a_success_end_the_run_with_the_last_error():
    asked = []

    def system(text):
        asked.append(text)
        time.sleep(0.002)
        raise ValueError(f"no {text}")

    with pytest.raises(errors.DataError) as caught:
        evaluate(system, make_examples(300), ExactMatch(), parallel=1)
    assert caught.value.problem == (
        "“system” failed on each of the first 8 examples. The last error: ValueError: no input 7"
    )
    assert 8 <= len(asked) < 300
    with pytest.raises(errors.DataError, match="failed on each of the first 3 examples"):
        evaluate(system, make_examples(3), ExactMatch())
    seven = [*[ValueError("no")] * 7, None, *[ValueError("no")] * 12]
    report = evaluate(make_raising(seven), make_examples(20), ExactMatch(), parallel=1)
    assert (report.num_failed, report.rows[7].score) == (19, 1.0)


def test_an_error_that_every_example_would_meet_ends_the_run_from_system_and_scorer():
    fatal = (
        errors.KeyRefused,
        errors.BudgetExceeded,
        errors.RecordingMissing,
        errors.SettingsError,
        errors.KeyMissing,
        errors.CapabilityMissing,
        errors.ModelNotServed,
    )
    for error in [kind("It cannot go on.", "Mend it.") for kind in fatal]:
        asked = []

        def fail(text, expected="", error=error, asked=asked):
            asked.append(text)
            time.sleep(0.002)
            if text == "input 3":
                raise error
            return Score(1.0)

        for system, scorer in [(fail, score_half), (str, fail)]:
            asked.clear()
            with pytest.raises(errors.WorkbookError) as caught:
                evaluate(system, make_examples(60), scorer, parallel=1)
            assert caught.value is error
            assert asked[:4] == ["input 0", "input 1", "input 2", "input 3"]
            assert len(asked) < 60


def test_data_that_do_not_fit_are_refused_before_anything_is_asked(home):
    examples, asked = make_examples(3), []
    cases = [
        ([], ExactMatch(), "There are no examples to evaluate."),
        ([*examples, Example("e01", "another", "x")], ExactMatch(), "Two examples share an id."),
        ([*examples, Example("e03", "a", "")], ExactMatch(), "a text or a number"),
        (["a text"], score_half, "no examples"),
        (load_messages("shots")[:2], score_half, "no examples"),
    ]
    for faulty, scorer, said in cases:
        with pytest.raises(errors.DataError, match=said):
            evaluate(asked.append, faulty, scorer, key="stated")
    for key in ({"prompt": object()}, {"shots": np.zeros(3)}, np.zeros(3), pd.DataFrame({"a": [1]})):
        with pytest.raises(errors.DataError, match="cannot be kept as JSON"):
            evaluate(asked.append, examples, ExactMatch(), key=key)
    assert asked == []
    assert list_files(home) == []


# --- interrupts ----------------------------------------------------------------------------------------------


def test_an_interrupted_run_goes_on_where_it_stopped_and_says_so(home):
    stop, examples = Stop(5), make_examples(30)

    def system(text):
        return make_reply(stop.echo(text), cost_usd=None)

    options = {"parallel": 4, "name": "zero-shot", "key": {"prompt": "1a2b3c4d", "shots": 8}}
    error = interrupt(system, examples, **options)
    num_asked = len(stop.inputs)
    assert 5 <= num_asked < 30
    assert error.problem == f"“zero-shot” was interrupted; {num_asked} of 30 examples are kept."
    assert error.next_step == "Run the same cell again: it goes on with the others."
    assert len(list_files(home)) == 1

    stop.release()
    report = evaluate(system, examples, ExactMatch(), **options)
    assert sorted(stop.inputs) == sorted(example.input for example in examples)  # each once, over both runs
    assert (report.num_resumed, len(report), report.num_failed) == (num_asked, 30, 0)
    assert str(report) == f"zero-shot: 100% [89%, 100%] (n = 30), {num_asked} resumed"
    assert [row.id for row in report.rows] == [example.id for example in examples]
    assert all(row.prediction == row.input and row.prompt_tokens == 10 for row in report.rows)
    assert report.provenance == "fake (127.0.0.1), live"
    assert list_files(home) == []
    assert evaluate(system, examples, ExactMatch(), **options).num_resumed == 0  # a finished run starts afresh

    error = interrupt(Stop(5).echo, examples, key=None, name="zero-shot")  # without a stated key nothing is kept
    assert error.problem == "“zero-shot” was interrupted; none of its 30 examples is kept."
    assert "evaluate(…, key={'prompt': prompt.version})" in error.next_step
    assert list_files(home) == []


def test_a_home_that_cannot_be_used_or_is_full_is_named(home, monkeypatch):
    def fail(*_, **__):
        raise OSError(13, "Not here")

    home.write_text("no folder", encoding="utf-8")
    with pytest.raises(errors.DataError, match=r"evaluations.*cannot be written"):
        evaluate(str, make_examples(2), ExactMatch(), key="stated")
    home.unlink()
    for place in ("llmops_utils.core.files.os.open", "pathlib.Path.exists", "pathlib.Path.unlink"):
        with monkeypatch.context() as patch:
            patch.setattr(place, fail)
            with pytest.raises(errors.DataError, match=r"jsonl cannot be \w+ \(Not here"):
                evaluate(str, make_examples(2), ExactMatch(), key="stated")


def test_what_an_interrupt_leaves_holds_no_key(home, monkeypatch):
    key = "a'quoted\"and\\slashed"
    monkeypatch.setenv("SHOP_API_KEY", key)

    def system(text):
        if text == "stop":
            raise KeyboardInterrupt
        return {key: [key]}

    interrupt(system, [Example("a", key, "x"), Example("b", "stop", "x")], score_half, parallel=1)
    (journal,) = (home / "evaluations").iterdir()
    assert os.name == "nt" or journal.stat().st_mode & 0o777 == 0o600
    assert '"[key]": ["[key]"]' in journal.read_text(encoding="utf-8")
    assert "quoted" not in journal.read_text(encoding="utf-8")


def test_a_run_may_be_interrupted_twice_and_asks_what_failed_or_was_half_written_again(home):
    stop, examples = Stop(5), make_examples(60)

    def system(text):
        stop.note(text)
        if text == "input 2" and stop.after:
            raise errors.ProviderDown("It is down.", "Wait.")
        return text

    interrupt(system, examples, parallel=1)
    (journal,) = list_files(home)
    lines = journal.read_text(encoding="utf-8").splitlines()
    lost = json.loads(lines[-1])["row"]["input"]
    journal.write_text("\n".join(lines)[:-20], encoding="utf-8")
    stop.press_again(10)
    interrupt(system, examples, parallel=1)
    stop.release()
    report = evaluate(system, examples, ExactMatch(), parallel=1, key="stated")
    assert report.num_resumed > 10
    assert set(stop.inputs) == {example.input for example in examples}
    assert {text for text in stop.inputs if stop.inputs.count(text) > 1} == {"input 2", lost}
    assert list(report.scores) == [1] * 60


def test_an_interrupt_while_a_thread_starts_waits_for_its_example(monkeypatch):
    asked, start, is_asked = [], threading.Thread.start, threading.Event()

    def start_and_interrupt(thread):
        start(thread)
        if thread.name.startswith("evaluate"):
            is_asked.wait(5)
            signal.raise_signal(signal.SIGINT)

    def system(text):
        asked.append(text)
        is_asked.set()
        time.sleep(0.05)
        return text

    monkeypatch.setattr(threading.Thread, "start", start_and_interrupt)
    error = interrupt(system, make_examples(30), parallel=1)
    assert error.problem == "“system” was interrupted; 1 of 30 examples are kept."
    assert asked == ["input 0"]


def test_no_interrupt_at_any_moment_leaves_a_thread_waiting_for_ever():
    num_before = threading.active_count()
    for after in Random(5).sample(range(1, 60), 12):
        stop = Stop(after, delay_s=0)
        error = interrupt(stop.echo, make_examples(60), parallel=4, name="echo", key=f"after {after}")
        assert error.problem == f"“echo” was interrupted; {len(stop.inputs)} of 60 examples are kept."
    assert threading.active_count() <= num_before


def test_each_row_is_on_disk_at_once_in_a_file_that_is_the_same_in_every_process(home):
    """So a run that was killed goes on as well."""
    kept = []

    def system(text):
        kept.append({path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in list_files(home)})
        return text

    options = {"parallel": 1, "name": "echo", "key": {"prompt": "1a2b3c4d", "labels": ["a", "b"]}}
    evaluate(system, make_examples(3), ExactMatch(), **options)
    file = "a686879162ac0959.jsonl"  # a checksum of what the run belongs to
    assert kept == [{}, {file: 1}, {file: 2}]


# --- what a kept row belongs to ------------------------------------------------------------------------------


CHOICES = [*(example.expected for example in make_examples(30)), "another label"]
STATED = {"scorer": ChoiceMatch(CHOICES), "name": "echo", "key": ["a", 1]}


def test_another_name_key_scorer_example_or_model_starts_afresh(monkeypatch):
    stop, examples = Stop(5), make_examples(30)
    interrupt(stop.echo, examples, parallel=1, **STATED)
    stop.release()
    changes = [
        *({"name": "loud echo"}, {"key": ["a", 2]}, {"key": {"a": 1}}, {"key": "a"}),
        *({"scorer": ExactMatch()}, {"scorer": ChoiceMatch([*CHOICES, "more"])}, {"scorer": score_half}),
        *({"examples": examples[:29]}, {"examples": examples[::-1]}),
        {"examples": [*examples[:29], Example("e29", "input 29", "another label")]},
        {"examples": [*examples[:29], Example("e29", "another input", "input 29")]},
    ]
    stated = STATED | {"examples": examples}
    assert [one for one in changes if evaluate(stop.echo, **stated | one).num_resumed] == []
    models = {"MODEL": "another", "MODE": "auto", "PROVIDER": "ollama", "BASE_URL": "http://127.0.0.1:1/v1"}
    for name, value in models.items():
        with monkeypatch.context() as patch:
            patch.setenv(f"LLMOPS_{name}", value)
            assert evaluate(stop.echo, **stated).num_resumed == 0
    assert evaluate(lambda text: text, **stated | {"key": ("a", 1)}).num_resumed >= 5  # whatever the code of the system


class EchoModel:
    """Gives the last message back; `name` stands for the weights that a model's repr tells."""

    def __init__(self, stop, name="small"):
        self.stop, self.name = stop, name

    def __repr__(self):
        return f"EchoModel({self.name})"

    def chat(self, messages, **options):
        return make_reply(self.stop.echo(messages[-1]["content"]))


def test_a_system_of_prompt_and_model_carries_its_key_and_an_edited_prompt_file_is_asked_anew(tmp_path):
    """The answers of an earlier wording must not stand in the report of a later one."""
    stop, examples, folder = Stop(5), make_examples(30), tmp_path / "prompts"
    path = save_prompt(Prompt("greet", input="Dear {{ message }}"), folder)

    def make(name="small", num_shots=0):
        return make_system(EchoModel(stop, name), load_prompt("greet", folder=folder), TASKS["intent"], num_shots)

    interrupt(make(), examples, score_half, key=None, parallel=1)
    stop.press_again(5)
    interrupt(make(), examples, score_half, key=None, parallel=1)
    assert len(stop.inputs) == len(set(stop.inputs)) >= 10  # the same goes on
    stop.release()
    for other in (make("large"), make(num_shots=2)):
        assert evaluate(other, examples, score_half).num_resumed == 0
    path.write_text(path.read_text(encoding="utf-8").replace("Dear", "Hello"), encoding="utf-8")
    report = evaluate(make(), examples, score_half)
    assert report.num_resumed == 0
    assert [row.prediction for row in report.rows] == [f"Hello {example.input}" for example in examples]
