"""Claims about `evaluate`, its journal, `Report` and `compare`: fakes for systems, and a real server for the model."""

import _thread
import functools
import gc
import html
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fake_provider import FakeProvider, refuse

from llmops_utils.core import (
    ROOT,
    BudgetExceeded,
    CapabilityMissing,
    DataError,
    EvaluationInterrupted,
    KeyMissing,
    KeyRefused,
    ModelNotServed,
    ProviderDown,
    RateLimited,
    RecordingMissing,
    RequestRefused,
    SettingsError,
    Unreachable,
    WorkbookError,
)
from llmops_utils.datasets import Example, load_messages
from llmops_utils.evaluation.metrics import (
    Estimate,
    Proportion,
    compute_mcnemar,
    compute_sign_flip_p,
    estimate_difference,
    estimate_mean,
    estimate_proportion,
)
from llmops_utils.evaluation.run import (
    HOPELESS,
    Answer,
    Comparison,
    Report,
    Row,
    compare,
    describe_code,
    evaluate,
    format_points,
    sum_tokens,
)
from llmops_utils.evaluation.scorers import ChoiceMatch, Contains, ExactMatch, Score
from llmops_utils.models import Model, Provenance, Reply, price_tokens


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """An own folder for the journals of each test."""
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


def list_journals(home):
    return sorted((home / "evaluations").glob("*")) if (home / "evaluations").exists() else []


class Asked:
    """What a system was asked. Its repr holds an address, so that it does not count as a part of the system."""

    def __init__(self):
        self.inputs = []

    def note(self, text):
        self.inputs.append(text)


class Stop:
    """Presses the stop button once, after so many inputs; those after it take a while, as a model does.

    Before that it waits for a moment, so that all examples are handed out and the run waits for answers.
    """

    def __init__(self, after, delay_s=0.03):
        self.after = after
        self.delay_s = delay_s
        self.inputs = []
        self.is_pressed = False
        self._lock = threading.Lock()

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

    def release(self):
        """Let the next run go through."""
        self.after = 0


def interrupt(system, examples, scorer=None, **options):
    """Run until the stop button is pressed and return the error; a bare KeyboardInterrupt would end pytest."""
    gc.disable()  # Python swallows an interrupt that comes while it collects garbage
    try:
        with pytest.raises(EvaluationInterrupted) as caught:
            evaluate(system, examples, scorer or ExactMatch(), **options)
    except KeyboardInterrupt:
        pytest.fail("The interrupt went through evaluate.")
    finally:
        gc.enable()
    return caught.value


# --- rows ----------------------------------------------------------------------------------------------------


def test_rows_keep_the_order_of_the_examples_where_the_first_is_answered_last():
    examples, last_is_done = make_examples(4), threading.Event()

    def system(text):
        if text == "input 3":
            last_is_done.set()
        elif text == "input 0":
            assert last_is_done.wait(5)
        return text

    report = evaluate(system, examples, ExactMatch(), parallel=4)
    assert [row.id for row in report.rows] == ["e00", "e01", "e02", "e03"]
    assert [row.prediction for row in report.rows] == ["input 0", "input 1", "input 2", "input 3"]
    assert list(report.scores) == [1, 1, 1, 1]


def test_a_value_is_the_prediction_and_costs_nothing():
    report = evaluate(lambda text: {"label": text}, make_examples(1), lambda prediction, expected: Score(1.0, "fine"))
    assert report.rows == (Row("e00", "input 0", "input 0", {"label": "input 0"}, 1.0, "fine"),)
    assert (report.prompt_tokens, report.completion_tokens, report.latency_s, report.cost_usd) == (0, 0, 0, 0)
    assert report.provenance == "no model asked"


@pytest.mark.parametrize(
    ("parsed", "expected"), [(None, "yes"), ("no", "no"), ({"a": 1}, {"a": 1}), (0, 0), (False, False), ("", "")]
)
def test_the_prediction_of_a_reply_is_what_was_parsed_else_its_text(parsed, expected):
    report = evaluate(lambda text: make_reply("yes", parsed), make_examples(1), score_half)
    assert report.rows[0].prediction == expected
    assert type(report.rows[0].prediction) is type(expected)


def test_a_reply_brings_tokens_seconds_dollars_and_provenance():
    report = evaluate(lambda text: make_reply(seed=7), make_examples(3), ExactMatch())
    row = report.rows[0]
    assert (row.prompt_tokens, row.completion_tokens, row.num_calls, row.latency_s) == (10, 2, 1, 0.5)
    assert (row.cost_usd, row.trace) == (0.001, None)
    assert report.provenance == "fake (127.0.0.1), live"


def test_all_replies_of_an_answer_and_of_its_scorer_are_added_up():
    def system(text):
        return Answer("yes", (make_reply(), make_reply(cost_usd=0.002)), [{"thought": "hm"}])

    report = evaluate(system, make_examples(2), lambda *_: Score(1.0, replies=(make_reply("graded", model="judge"),)))
    row = report.rows[1]
    assert (row.prediction, row.prompt_tokens, row.completion_tokens, row.num_calls) == ("yes", 30, 6, 3)
    assert row.latency_s == pytest.approx(1.5)
    assert row.cost_usd == pytest.approx(0.004)
    assert row.trace == [{"thought": "hm"}]
    assert report.provenance == "fake (127.0.0.1), live"


def test_one_reply_without_a_price_leaves_the_price_of_row_and_report_unknown():
    def system(text):
        return Answer("yes", (make_reply(), make_reply(cost_usd=None))) if text == "input 1" else make_reply()

    report = evaluate(system, make_examples(3), ExactMatch())
    assert [row.cost_usd for row in report.rows] == [0.001, None, 0.001]
    assert report.cost_usd is None


def test_provenance_names_each_model_once():
    def system(text):
        return make_reply(model="small" if text == "input 0" else "large")

    report = evaluate(system, make_examples(5), ExactMatch())
    assert report.provenance == "large (127.0.0.1), live; small (127.0.0.1), live"


def test_the_name_is_that_of_the_system_unless_one_is_given():
    def shout(text):
        return text

    class Whisper:
        def __call__(self, text):
            return text

    examples = make_examples(2)
    assert evaluate(shout, examples, ExactMatch()).name == "shout"
    assert evaluate(Whisper(), examples, ExactMatch()).name == "Whisper"
    assert evaluate(shout, examples, ExactMatch(), name="zero-shot").name == "zero-shot"


# --- parallel ------------------------------------------------------------------------------------------------


class Gate:
    """Lets inputs through only where `num` are there at once, and notes the most that were."""

    def __init__(self, num):
        self.barrier = threading.Barrier(num)
        self.lock = threading.Lock()
        self.num_now = self.most = 0

    def pass_through(self, text):
        with self.lock:
            self.num_now += 1
            self.most = max(self.most, self.num_now)
        self.barrier.wait(5)
        time.sleep(0.01)  # one too many would come in now
        with self.lock:
            self.num_now -= 1
        return text


@pytest.mark.parametrize("parallel", [1, 2, 4])
def test_as_many_examples_are_on_their_way_as_asked_for(parallel):
    gate = Gate(parallel)
    report = evaluate(lambda text: gate.pass_through(text), make_examples(8), ExactMatch(), parallel=parallel)
    assert (report.num_failed, gate.most) == (0, parallel)


def test_how_many_at_once_comes_from_the_settings(monkeypatch):
    monkeypatch.setenv("LLMOPS_PARALLEL", "3")
    gate = Gate(3)
    report = evaluate(lambda text: gate.pass_through(text), make_examples(6), ExactMatch())
    assert (report.num_failed, gate.most) == (0, 3)


def test_duration_is_that_of_the_clock_and_latency_that_of_the_calls():
    def system(text):
        time.sleep(0.03)
        return make_reply()

    report = evaluate(system, make_examples(8), ExactMatch(), parallel=8)
    assert 0.03 <= report.duration_s < 8 * 0.03
    assert report.latency_s == 0.5


# --- failures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [1, 4])
def test_an_example_that_raises_is_a_failed_row_and_the_others_go_on(parallel):
    def system(text):
        if text == "input 2":
            raise ZeroDivisionError("division by zero")
        return make_reply(text)

    report = evaluate(system, make_examples(6), ExactMatch(), parallel=parallel)
    failed = Row("e02", "input 2", "input 2", None, 0.0, error="ZeroDivisionError: division by zero")
    assert report.rows[2] == failed
    assert list(report.scores) == [1, 1, 0, 1, 1, 1]
    assert report.num_failed == 1
    assert str(report) == "system: 83% [44%, 97%] (n = 6), 1 failed with an error"
    assert report.provenance == "fake (127.0.0.1), live"


@pytest.mark.parametrize("kind", [RateLimited, ProviderDown, Unreachable, RequestRefused, DataError])
def test_an_error_that_the_next_example_may_not_meet_is_a_failed_row(kind):
    def system(text):
        if text == "input 0":
            raise kind("It did not work.", "Try again.")
        return text

    report = evaluate(system, make_examples(2), ExactMatch())
    assert [row.error for row in report.rows] == [f"{kind.__name__}: It did not work.", ""]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("x" * 1000), "ValueError: " + "x" * 488),
        (KeyError("intent"), "KeyError: 'intent'"),
        (AssertionError(), "AssertionError: "),
    ],
    ids=["long", "key", "no text"],
)
def test_the_text_of_an_error_names_its_kind_and_is_cut_at_500_characters(error, text):
    def system(given):
        if given == "input 1":
            raise error
        return given

    assert evaluate(system, make_examples(2), ExactMatch()).rows[1].error == text


def test_a_scorer_that_raises_fails_the_row():
    def score(prediction, expected):
        return Score(1.0) if prediction == "input 0" else Score(2.0)

    report = evaluate(lambda text: text, make_examples(2), score)
    assert [row.error for row in report.rows] == ["", "DataError: 2.0 is no score."]


def test_a_scorer_that_returns_no_score_fails_the_row():
    def score(prediction, expected):
        return Score(1.0) if prediction == "input 0" else prediction == expected

    report = evaluate(lambda text: text, make_examples(2), score)
    assert [bool(row.error) for row in report.rows] == [False, True]


def test_an_answer_with_malformed_replies_fails_the_row():
    def system(text):
        return Answer(text, () if text == "input 0" else make_reply())

    report = evaluate(system, make_examples(2), ExactMatch())
    assert [bool(row.error) for row in report.rows] == [False, True]


@pytest.mark.parametrize(
    "make",
    [lambda text: (part for part in text), lambda text: threading.Lock(), lambda text: {(1, 2): text}],
    ids=["generator", "lock", "tuple as key"],
)
def test_a_prediction_that_no_file_can_hold_is_scored_all_the_same(make):
    report = evaluate(lambda text: make(text), make_examples(3), score_half)
    assert list(report.scores) == [0.5, 0.5, 0.5]


def test_eight_failures_without_a_success_end_the_run_with_the_last_error():
    asked = Asked()

    def system(text):
        asked.note(text)
        time.sleep(0.002)
        raise ValueError(f"no {text}")

    with pytest.raises(DataError) as caught:
        evaluate(system, make_examples(300), ExactMatch(), parallel=1)
    assert HOPELESS == 8
    assert caught.value.problem == (
        "“system” failed on each of the first 8 examples. The last error: ValueError: no input 7"
    )
    assert "system(examples[0].input)" in caught.value.next_step
    assert 8 <= len(asked.inputs) < 300


def test_a_set_of_fewer_than_eight_is_hopeless_where_each_example_fails():
    def system(text):
        raise ValueError("no")

    with pytest.raises(DataError, match="failed on each of the first 3 examples"):
        evaluate(system, make_examples(3), ExactMatch())


def test_seven_failures_before_a_success_do_not_end_the_run():
    def system(text):
        if text != "input 7":
            raise ValueError("no")
        return text

    report = evaluate(system, make_examples(20), ExactMatch(), parallel=1)
    assert (report.num_failed, report.rows[7].score) == (19, 1.0)


FATAL_ERRORS = [
    KeyRefused("The key is refused.", "Check it.", 401),
    BudgetExceeded("The budget is spent.", "Raise it."),
    RecordingMissing("There is no recording.", "Record it."),
    SettingsError("A setting is wrong.", "Correct it."),
    KeyMissing("There is no key.", "Set it."),
    CapabilityMissing("It cannot do this.", "Use another."),
    ModelNotServed("There is no such model.", "Name another.", 404),
]


@pytest.mark.parametrize("error", FATAL_ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("raises", ["system", "scorer"])
def test_an_error_that_every_example_would_meet_ends_the_run(home, error, raises):
    asked = Asked()

    def fail(text):
        asked.note(text)
        time.sleep(0.002)
        if text == "input 3":
            raise error
        return text

    system, scorer = fail, ExactMatch()
    if raises == "scorer":
        system, scorer = (lambda text: text), (lambda prediction, expected: Score(float(fail(prediction) == expected)))
    with pytest.raises(WorkbookError) as caught:
        evaluate(system, make_examples(200), scorer, parallel=1)
    assert caught.value is error
    assert asked.inputs[:4] == ["input 0", "input 1", "input 2", "input 3"]
    assert len(asked.inputs) < 200
    assert len(list_journals(home)) == 1  # what was answered is kept


def test_after_a_fatal_error_the_same_call_asks_only_the_rest():
    asked, budget = Asked(), Asked()

    def system(text):
        if text == "input 3" and not budget.inputs:
            raise BudgetExceeded("The budget is spent.", "Raise it.")
        asked.note(text)
        return make_reply(text)

    with pytest.raises(BudgetExceeded):
        evaluate(system, make_examples(6), ExactMatch(), parallel=1)
    budget.note("raised")
    report = evaluate(system, make_examples(6), ExactMatch(), parallel=1)
    assert sorted(asked.inputs) == [f"input {number}" for number in range(6)]
    assert report.num_resumed >= 3
    assert list(report.scores) == [1] * 6


# --- data that do not fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("examples", "scorer", "said"),
    [
        ([], ExactMatch(), "There are no examples to evaluate."),
        ([*make_examples(3), Example("e01", "another", "x")], ExactMatch(), "Two examples share an id."),
        ([*make_examples(3), Example("e03", "a", "")], ExactMatch(), "a text or a number"),
        ([Example("1", "a", "yes"), Example("2", "a", "perhaps")], ChoiceMatch(["yes", "no"]), "one of yes, no"),
    ],
    ids=["none", "twice", "empty", "label outside the set"],
)
def test_data_that_do_not_fit_are_refused_before_anything_is_asked(home, examples, scorer, said):
    asked = Asked()
    with pytest.raises(DataError) as caught:
        evaluate(asked.note, examples, scorer)
    assert said in caught.value.problem + caught.value.next_step
    assert caught.value.next_step
    assert asked.inputs == []
    assert list_journals(home) == []


def test_examples_may_come_from_a_generator():
    report = evaluate(lambda text: text, (example for example in make_examples(3)), ExactMatch())
    assert len(report) == 3


@pytest.mark.parametrize("examples", [["a text"], load_messages("shots")[:2]], ids=["texts", "records"])
def test_what_is_no_example_is_refused_before_anything_is_asked(examples):
    asked = Asked()
    with pytest.raises(DataError):
        evaluate(asked.note, examples, score_half)
    assert asked.inputs == []


def test_less_than_one_example_at_once_is_refused():
    with pytest.raises(DataError):
        evaluate(lambda text: text, make_examples(3), ExactMatch(), parallel=-1)


# --- interrupts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("after", [1, 5, 13])
def test_an_interrupted_run_goes_on_where_it_stopped(home, parallel, after):
    stop, examples = Stop(after), make_examples(60)

    def system(text):
        stop.note(text)
        return make_reply(text, cost_usd=None)

    error = interrupt(system, examples, parallel=parallel, name="zero-shot")
    num_asked = len(stop.inputs)
    assert after <= num_asked < 60
    assert error.problem == f"“zero-shot” was interrupted; {num_asked} of 60 examples are kept."
    assert error.next_step == "Run the same cell again: it goes on with the others."
    assert len(list_journals(home)) == 1

    stop.release()
    report = evaluate(system, examples, ExactMatch(), parallel=parallel, name="zero-shot")
    assert sorted(stop.inputs) == sorted(example.input for example in examples)  # each once, over both runs
    assert (report.num_resumed, len(report), report.num_failed) == (num_asked, 60, 0)
    assert [row.id for row in report.rows] == [example.id for example in examples]
    assert all(row.prediction == row.input and row.prompt_tokens == 10 for row in report.rows)
    assert report.provenance == "fake (127.0.0.1), live"
    assert list_journals(home) == []


def test_a_run_may_be_interrupted_twice():
    stop, examples = Stop(5), make_examples(60)

    def system(text):
        stop.note(text)
        return text

    interrupt(system, examples, parallel=2)
    stop.is_pressed, stop.after = False, len(stop.inputs) + 5
    interrupt(system, examples, parallel=2)
    num_asked = len(stop.inputs)
    stop.release()
    report = evaluate(system, examples, ExactMatch(), parallel=2)
    assert sorted(stop.inputs) == sorted(example.input for example in examples)
    assert (report.num_resumed, len(report)) == (num_asked, 60)


def test_an_example_that_failed_before_the_interrupt_is_asked_again():
    stop, examples = Stop(6), make_examples(30)

    def system(text):
        stop.note(text)
        if text == "input 2" and stop.after:
            raise ProviderDown("It is down.", "Wait.")
        return text

    interrupt(system, examples, parallel=1)
    stop.release()
    report = evaluate(system, examples, ExactMatch(), parallel=1)
    assert sorted(stop.inputs) == sorted([*(example.input for example in examples), "input 2"])
    assert list(report.scores) == [1] * 30


def test_a_report_of_kept_rows_alone_names_their_model():
    stop, examples = Stop(3), make_examples(3)

    def system(text):
        stop.note(text)
        if len(stop.inputs) == 3:
            time.sleep(0.05)  # the interrupt comes while the last example is on its way
        return make_reply(text)

    interrupt(system, examples, parallel=1)
    report = evaluate(system, examples, ExactMatch(), parallel=1)
    assert report.num_resumed == 3
    assert report.provenance == "fake (127.0.0.1), live"


def test_an_interrupt_while_the_examples_are_still_handed_out_keeps_what_is_done():
    stop, examples = Stop(1, delay_s=0), make_examples(3000)

    def system(text):
        stop.note(text)
        return text

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # so that the first example is answered long before the last is handed out
    try:
        error = interrupt(system, examples, parallel=1)
    finally:
        sys.setswitchinterval(interval_s)
        stop.release()  # where the run goes on unseen, it shall end soon
    assert error.problem == f"“system” was interrupted; {len(stop.inputs)} of 3000 examples are kept."


def test_an_interrupt_while_a_thread_starts_waits_for_its_example(monkeypatch):
    asked, start, is_asked = [], threading.Thread.start, threading.Event()

    def start_and_interrupt(thread):
        start(thread)
        if thread.name.startswith("evaluate"):
            is_asked.wait(5)
            raise KeyboardInterrupt

    def system(text):
        asked.append(text)
        is_asked.set()
        time.sleep(0.05)
        return text

    monkeypatch.setattr(threading.Thread, "start", start_and_interrupt)
    error = interrupt(system, make_examples(30), parallel=1)
    assert error.problem == "“system” was interrupted; 1 of 30 examples are kept."
    assert asked == ["input 0"]


def test_a_half_written_last_line_is_left_out(home):
    stop, examples = Stop(5), make_examples(40)

    def system(text):
        stop.note(text)
        return text

    interrupt(system, examples, parallel=1)
    (journal,) = list_journals(home)
    lines = journal.read_text(encoding="utf-8").splitlines()
    journal.write_text("\n".join(lines)[:-20], encoding="utf-8")
    lost = json.loads(lines[-1])
    stop.release()
    report = evaluate(system, examples, ExactMatch(), parallel=1)
    assert report.num_resumed == len(lines) - 1
    assert sorted(stop.inputs) == sorted([*(example.input for example in examples), lost.get("input", "input 5")])
    assert list(report.scores) == [1] * 40


def test_rows_after_a_half_written_line_are_not_lost(home):
    stop, examples = Stop(5), make_examples(60)

    def system(text):
        stop.note(text)
        return text

    interrupt(system, examples, parallel=1)
    (journal,) = list_journals(home)
    journal.write_text(journal.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    num_asked = len(stop.inputs)
    stop.is_pressed, stop.after = False, num_asked + 10
    interrupt(system, examples, parallel=1)
    num_kept = len(stop.inputs) - 1  # all but the one whose line was cut
    stop.release()
    assert evaluate(system, examples, ExactMatch(), parallel=1).num_resumed == num_kept


def test_a_finished_run_starts_afresh():
    asked = Asked()

    def system(text):
        asked.note(text)
        return text

    for _ in range(2):
        assert evaluate(system, make_examples(3), ExactMatch(), parallel=1).num_resumed == 0
    assert len(asked.inputs) == 6


KILLED = """
import os, sys
from llmops_utils.datasets.records import Example
from llmops_utils.evaluation.run import evaluate
from llmops_utils.evaluation.scorers import ExactMatch

LABELS = ["delivery", "return"]
NUM_BEFORE_THE_END = int(os.environ["NUM_BEFORE_THE_END"])

class Asked:
    inputs = []

asked = Asked()

class Ending:
    def come(self):
        if len(asked.inputs) == NUM_BEFORE_THE_END:
            os._exit(9)

ending = Ending()

def system(text):
    ending.come()
    asked.inputs.append(text)
    return text if LABELS[0] in ("delivery", "return") else LABELS

examples = [Example(str(number), f"input {number}", f"input {number}") for number in range(10)]
report = evaluate(system, examples, ExactMatch(), parallel=1)
print(report.num_resumed, len(asked.inputs), report.score.num)
"""


def test_another_process_goes_on_where_a_killed_one_stopped(home):
    def run(num, seed):
        environment = os.environ | {"NUM_BEFORE_THE_END": num, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-B", "-c", KILLED]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)

    killed = run("4", "1")
    assert (killed.returncode, killed.stdout) == (9, "")
    assert len(list_journals(home)) == 1
    finished = run("99", "2")
    assert finished.stdout.split() == ["4", "6", "10"], finished.stderr
    assert list_journals(home) == []


# --- what counts as the same run -----------------------------------------------------------------------------

GREETING = "Dear"


def make_system(stop, tail="!", code=0, default=1, keyword=1):
    """Return a system; each argument after the first changes it in another way."""

    def with_a_default(text, times=default):
        stop.note(text)
        return f"{GREETING} {text}{tail}" * times

    def with_other_code(text, times=default):
        stop.note(text)
        return f"{text} {GREETING}{tail}" * times

    def with_a_keyword(text, *, times=keyword):
        stop.note(text)
        return f"{GREETING} {text}{tail}" * times

    return [with_a_default, with_other_code, with_a_keyword][code]


class Frame:
    """A system with values of its own."""

    def __init__(self, stop, tail):
        self.stop = stop
        self.tail = tail

    def __call__(self, text):
        self.stop.note(text)
        return text + self.tail

    def wrap(self, text):
        return self(text)


def count_resumed(first, second, stop, examples=None, others=None, scorer=None):
    """Return how many rows a second run takes over from an interrupted first one."""
    examples = examples or make_examples(30)
    interrupt(first, examples, score_half, parallel=1)
    stop.release()
    return evaluate(second, others or examples, scorer or score_half, parallel=1).num_resumed


def test_a_system_that_was_defined_again_with_the_same_code_goes_on():
    stop = Stop(5)
    assert count_resumed(make_system(stop), make_system(stop), stop) >= 5


@pytest.mark.parametrize(
    "change",
    [
        {"tail": "?"},
        {"code": 1},
        {"default": 2},
    ],
    ids=["closure", "code", "default"],
)
def test_a_changed_system_starts_afresh(change):
    stop = Stop(5)
    assert count_resumed(make_system(stop), make_system(stop, **change), stop) == 0


def test_a_system_with_another_keyword_default_starts_afresh():
    stop = Stop(5)
    assert count_resumed(make_system(stop, code=2), make_system(stop, code=2, keyword=2), stop) == 0


def test_a_system_whose_global_constant_changed_starts_afresh(monkeypatch):
    stop, examples = Stop(5), make_examples(30)
    system = make_system(stop)
    interrupt(system, examples, score_half, parallel=1)
    stop.release()
    monkeypatch.setitem(globals(), "GREETING", "Hello")
    assert evaluate(system, examples, score_half, parallel=1).num_resumed == 0


def test_a_system_that_is_an_object_with_other_values_starts_afresh():
    stop = Stop(5)
    assert count_resumed(Frame(stop, "!"), Frame(stop, "?"), stop) == 0


def test_a_system_that_is_the_method_of_another_object_starts_afresh():
    stop = Stop(5)
    assert count_resumed(Frame(stop, "!").wrap, Frame(stop, "?").wrap, stop) == 0


def test_a_system_with_another_bound_argument_starts_afresh():
    stop = Stop(5)

    def join(text, tail):
        stop.note(text)
        return text + tail

    assert count_resumed(functools.partial(join, tail="!"), functools.partial(join, tail="?"), stop) == 0


@pytest.mark.parametrize(
    "others",
    [
        make_examples(29),
        [*make_examples(29), Example("e29", "input 29", "another")],
        [*make_examples(29), Example("e29", "another", "input 29")],
        make_examples(30)[::-1],
    ],
    ids=["fewer", "other label", "other input", "other order"],
)
def test_other_examples_start_afresh(others):
    stop = Stop(5)
    assert count_resumed(make_system(stop), make_system(stop), stop, others=others) == 0


def test_another_scorer_starts_afresh():
    stop = Stop(5)
    assert count_resumed(make_system(stop), make_system(stop), stop, scorer=ExactMatch()) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLMOPS_MODEL", "another"),
        ("LLMOPS_MODE", "auto"),
        ("LLMOPS_PROVIDER", "ollama"),
        ("LLMOPS_BASE_URL", "http://127.0.0.1:1/v1"),
    ],
)
def test_another_model_starts_afresh(monkeypatch, name, value):
    stop, examples = Stop(5), make_examples(30)
    system = make_system(stop)
    interrupt(system, examples, score_half, parallel=1)
    stop.release()
    monkeypatch.setenv(name, value)
    assert evaluate(system, examples, score_half, parallel=1).num_resumed == 0


# --- describe_code -------------------------------------------------------------------------------------------


def compile_function(source):
    """Return the function `system` of a source, as a notebook's cell would define it."""
    names = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec"), names)
    return names["system"]


PLAIN = "def system(text):\n    return text.upper()"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PLAIN, "\n\n\n" + PLAIN),
        (PLAIN, "def system(text):\n    # a comment\n    return text.upper()"),
        (f"{PLAIN}\nunused = 1", f"{PLAIN}\nunused = 2"),
    ],
    ids=["other line", "comment", "unused name"],
)
def test_the_same_code_has_the_same_description(one, other):
    assert describe_code(compile_function(one)) == describe_code(compile_function(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PLAIN, "def system(text):\n    return text.lower()"),
        ("def system(text):\n    return text + '1'", "def system(text):\n    return text + '2'"),
        ("def system(text, a=1):\n    return text", "def system(text, a=2):\n    return text"),
        ("N = 1\ndef system(text):\n    return text * N", "N = 2\ndef system(text):\n    return text * N"),
        ("N = [{'a': 1}]\ndef system(text):\n    return N", "N = [{'a': 2}]\ndef system(text):\n    return N"),
        (
            "def help(text):\n    return text\ndef system(text):\n    return help(text)",
            "def help(text):\n    return text * 2\ndef system(text):\n    return help(text)",
        ),
        (
            "N = 1\ndef help(text):\n    return text * N\ndef system(text):\n    return help(text)",
            "N = 2\ndef help(text):\n    return text * N\ndef system(text):\n    return help(text)",
        ),
        (
            "N = 1\ndef system(text):\n    return [N for _ in text]",
            "N = 2\ndef system(text):\n    return [N for _ in text]",
        ),
        (
            "def make(n):\n    def system(text):\n        return text * n\n    return system\nsystem = make(1)",
            "def make(n):\n    def system(text):\n        return text * n\n    return system\nsystem = make(2)",
        ),
        (
            "def system(text):\n    return (lambda: 1)()",
            "def system(text):\n    return (lambda: 2)()",
        ),
    ],
    ids=[
        "method",
        "constant",
        "default",
        "global",
        "inside a global",
        "helper",
        "global of a helper",
        "global in a comprehension",
        "closure",
        "inner function",
    ],
)
def test_a_change_of_code_or_of_a_value_changes_the_description(one, other):
    assert describe_code(compile_function(one)) != describe_code(compile_function(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "def help(text):\n    return 1\nSTEPS = [help]\ndef system(text):\n    return STEPS[0](text)",
            "def help(text):\n    return 2\nSTEPS = [help]\ndef system(text):\n    return STEPS[0](text)",
        ),
        (
            "class Form:\n    label: str\ndef system(text):\n    return Form",
            "class Form:\n    label: int\ndef system(text):\n    return Form",
        ),
        (
            "class Form:\n    def read(self):\n        return 1\ndef system(text):\n    return Form().read()",
            "class Form:\n    def read(self):\n        return 2\ndef system(text):\n    return Form().read()",
        ),
    ],
    ids=["function in a list", "fields of a class", "method of a class"],
)
def test_a_change_inside_a_container_or_class_changes_the_description(one, other):
    assert describe_code(compile_function(one)) != describe_code(compile_function(other))


def test_a_prompt_counts_by_its_text_and_an_object_without_stable_text_by_its_type(tmp_path):
    with (tmp_path / "a").open("w") as one, (tmp_path / "b").open("w") as other:
        assert describe_code(threading.Lock()) == describe_code(threading.Lock())
        assert describe_code(object()) == describe_code(object()) == "object"
        assert describe_code(one) != describe_code("a text")
        assert other.name.endswith("b")
    assert describe_code(Contains(["a"])) != describe_code(Contains(["b"]))


def test_a_function_that_calls_itself_has_a_description():
    source = "def system(text):\n    return system(text[1:]) if text else text"
    assert describe_code(compile_function(source)) == describe_code(compile_function(source))


DESCRIBED = {
    "plain": ("LABELS = ['delivery', 'return']", "def system(text, n=2):\n    return LABELS[0] + text * n"),
    "helper": ("def help(text):\n    return text + '!'", "def system(text):\n    return [help(part) for part in text]"),
    "set literal": ("", "def system(text):\n    return text in {'delivery', 'return', 'repair', 'product'}"),
    "global set": (
        "LABELS = {'delivery', 'return', 'repair', 'product'}",
        "def system(text):\n    return text in LABELS",
    ),
    "function as default": ("def help(text):\n    return text", "def system(text, read=help):\n    return read(text)"),
    "function as bound argument": (
        "import functools\ndef help(text):\n    return text\ndef call(text, read):\n    return read(text)",
        "system = functools.partial(call, read=help)",
    ),
}


@pytest.fixture(scope="module")
def descriptions():
    """The descriptions by name from two fresh interpreters with other hash seeds."""
    code = "import hashlib, json\nfrom llmops_utils.evaluation.run import describe_code\nfound = {}\n"
    for name, parts in DESCRIBED.items():
        source = "\n".join(parts)
        code += f"names = {{}}\nexec({source!r}, names)\nfound[{name!r}] = repr(describe_code(names['system']))\n"
    code += "print(json.dumps(found))\n"

    def run(seed):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-B", "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run("1"), run("2")


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_description_is_the_same_in_two_processes(descriptions, name):
    one, other = descriptions
    assert one[name] == other[name]


# --- report --------------------------------------------------------------------------------------------------


def make_report(scores, name="system", **changes):
    rows = [
        Row(f"e{index:02}", f"input {index}", "yes", "yes", float(score), "", 100, 20, 1, 0.5, 0.01)
        for index, score in enumerate(scores)
    ]
    return Report(name, tuple(rows), **({"provenance": "fake (127.0.0.1), live", "duration_s": 1.0} | changes))


def test_scores_of_right_and_wrong_give_a_proportion():
    report = make_report([1, 0, 1, 1])
    assert report.is_binary
    assert report.score == estimate_proportion(3, 4)
    assert isinstance(report.score, Proportion)
    assert str(report) == repr(report) == "system: 75% [30%, 95%] (n = 4)"


def test_scores_between_give_an_estimate():
    report = make_report([1, 0, 0.5, 1])
    assert not report.is_binary
    assert report.score == estimate_mean([1, 0, 0.5, 1])
    assert isinstance(report.score, Estimate)


def test_a_report_of_one_score_between_can_be_shown():
    assert "0.5" in repr(make_report([0.5]))


def test_the_means_are_per_example():
    rows = (
        Row("a", "x", "y", "y", 1.0, "", 100, 10, 1, 0.5, 0.01),
        Row("b", "x", "y", "y", 0.0, "", 300, 30, 3, 1.5, 0.03),
    )
    report = Report("system", rows, "fake", 9.0)
    assert (report.prompt_tokens, report.completion_tokens, report.latency_s) == (200, 20, 1.0)
    assert report.cost_usd == pytest.approx(0.02)
    assert sum_tokens(report) == 220
    assert len(report) == 2
    assert isinstance(report.scores, np.ndarray)


def test_the_table_has_one_row_per_example_and_no_traces():
    rows = (
        Row("a", "x", "y", "y", 1.0, "fine", 10, 2, 1, 0.5, 0.01, "", [{"thought": "hm"}]),
        Row("b", "x", "y", None, 0.0, error="ValueError: no"),
    )
    table = Report("system", rows, "fake", 1.0).table
    assert list(table.columns) == [
        *("id", "input", "expected", "prediction", "score", "note", "prompt_tokens", "completion_tokens"),
        *("num_calls", "latency_s", "cost_usd", "error"),
    ]
    assert table.to_dict("records")[0] == {
        **{"id": "a", "input": "x", "expected": "y", "prediction": "y", "score": 1.0, "note": "fine"},
        **{"prompt_tokens": 10, "completion_tokens": 2, "num_calls": 1, "latency_s": 0.5, "cost_usd": 0.01},
        "error": "",
    }
    assert list(table["error"]) == ["", "ValueError: no"]


def test_the_price_elsewhere_is_that_of_a_thousand_examples_at_list_price():
    report = make_report([1, 0])
    assert report.price_at("openai", "gpt-4o-mini") == pytest.approx(1000 * (100 * 0.15e-6 + 20 * 0.60e-6))
    assert report.price_at("openai", "gpt-5-mini") == pytest.approx(
        1000 * price_tokens("openai", "gpt-5-mini", 100, 20)
    )


def test_the_price_elsewhere_of_an_unknown_model_raises():
    with pytest.raises(LookupError):
        make_report([1]).price_at("openai", "no-such-model")


def test_html_of_a_report_is_escaped():
    shown = make_report([1, 0], name="<b>bold</b>", provenance="<script>alert(1)</script>")._repr_html_()
    assert "<b>bold" not in shown
    assert "<script>" not in shown
    assert html.escape("<b>bold</b>: 50%") in shown
    assert "100 + 20 tokens and 0.50 s per example" in shown


def test_reports_are_equal_whatever_time_they_took():
    assert make_report([1, 0], duration_s=1.0) == make_report([1, 0], duration_s=2.0)
    assert make_report([1, 0]) != make_report([0, 1])


# --- compare -------------------------------------------------------------------------------------------------


def test_a_candidate_that_gains_many_and_loses_none_helps():
    before, after = [1] * 4 + [0] * 12, [1] * 14 + [0] * 2
    found = compare(make_report(before, "plain"), make_report(after, "few-shot"))
    assert found.verdict == "helps"
    assert found.gained == tuple(f"e{number:02}" for number in range(4, 14))
    assert found.lost == ()
    assert found.p == compute_mcnemar(before, after) == pytest.approx(2 * 0.5**10)
    assert found.difference == estimate_difference(before, after)
    assert found.difference.value == pytest.approx(10 / 16)
    assert (found.num, found.price_ratio) == (16, 1.0)


def test_the_same_the_other_way_round_hurts():
    before, after = [1] * 14 + [0] * 2, [1] * 4 + [0] * 12
    found = compare(make_report(before), make_report(after))
    assert found.verdict == "hurts"
    assert (found.gained, len(found.lost)) == ((), 10)
    assert found.p == pytest.approx(2 * 0.5**10)
    assert found.difference.value == pytest.approx(-10 / 16)


@pytest.mark.parametrize(
    ("before", "after"),
    [([0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1]), ([1, 0, 1], [1, 0, 1]), ([1, 0] * 20, [0, 1] * 20)],
    ids=["five flips", "no flip", "as many each way"],
)
def test_too_little_to_tell_is_said_to_be_so(before, after):
    found = compare(make_report(before, "plain"), make_report(after, "few-shot"))
    assert found.verdict == "cannot tell"
    assert "few-shot against plain: cannot tell at this n; " in str(found)
    assert "cannot tell at this n." in found._repr_html_()


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (0.01, 0.2, 0.04, "helps"),
        (-0.2, -0.01, 0.04, "hurts"),
        (0.0, 0.2, 0.04, "cannot tell"),
        (-0.2, 0.0, 0.04, "cannot tell"),
        (-0.1, 0.2, 0.04, "cannot tell"),
        (0.01, 0.2, 0.05, "cannot tell"),
        (-0.2, -0.01, 0.05, "cannot tell"),
        (0.01, 0.2, 0.3, "cannot tell"),
    ],
)
def test_a_verdict_needs_both_p_and_interval(low, high, p, verdict):
    report = make_report([1, 0])
    assert Comparison(report, report, Estimate((low + high) / 2, low, high), p, (), ()).verdict == verdict


def test_scores_between_are_compared_by_flipping_signs():
    before, after = [0.2, 0.4, 0.1, 0.6, 0.5, 0.3, 0.2, 0.1], [0.4, 0.6, 0.5, 0.7, 0.6, 0.3, 0.6, 0.9]
    found = compare(make_report(before), make_report(after))
    assert found.p == compute_sign_flip_p(before, after)
    assert found.verdict == "helps"
    assert found.gained == ("e00", "e01", "e02", "e03", "e04", "e06", "e07")


def test_right_and_wrong_against_scores_between_are_compared_by_flipping_signs():
    before, after = [0, 1, 0, 1], [0.5, 1, 0.5, 0.5]
    found = compare(make_report(before), make_report(after))
    assert found.p == compute_sign_flip_p(before, after)
    assert (found.gained, found.lost) == (("e00", "e02"), ("e03",))


def change_row(report, index, **changes):
    rows = list(report.rows)
    rows[index] = Row(**(vars(rows[index]) | changes))
    return Report(report.name, tuple(rows), report.provenance, report.duration_s)


@pytest.mark.parametrize(
    "other",
    [
        make_report([1, 0, 1]),
        change_row(make_report([1, 0, 1, 0]), 2, id="e99"),
        change_row(make_report([1, 0, 1, 0]), 2, expected="no"),
        Report("system", make_report([1, 0, 1, 0]).rows[::-1], "fake", 1.0),
    ],
    ids=["fewer", "other id", "other label", "other order"],
)
def test_reports_on_other_examples_are_not_compared(other):
    with pytest.raises(DataError, match="were not run on the same examples"):
        compare(make_report([1, 0, 1, 0]), other)


def test_reports_on_other_inputs_are_not_compared():
    with pytest.raises(DataError, match="were not run on the same examples"):
        compare(make_report([1, 0]), change_row(make_report([1, 0]), 1, input="quite another text"))


def test_one_example_is_not_compared():
    with pytest.raises(DataError, match="no spread"):
        compare(make_report([1]), make_report([0]))


def test_the_price_of_a_change_is_the_ratio_of_its_tokens():
    dear = Report(
        "few-shot", tuple(Row(**(vars(row) | {"prompt_tokens": 340})) for row in make_report([1, 0]).rows), "", 1
    )
    assert compare(make_report([1, 0]), dear).price_ratio == pytest.approx(3.0)


NO_TOKENS = {"prompt_tokens": 0, "completion_tokens": 0}


def test_against_a_baseline_without_tokens_there_is_no_ratio():
    free = Report(
        "rule", tuple(Row(**(vars(row) | NO_TOKENS)) for row in make_report([1, 0]).rows), "no model asked", 1
    )
    found = compare(free, make_report([0, 1], "model"))
    assert found.price_ratio is None
    assert found._repr_html_().endswith("1 examples gained, 1 lost.</div>")
    assert compare(make_report([0, 1]), free).price_ratio == 0.0


def test_a_comparison_reads_as_one_line():
    found = compare(make_report([1] * 4 + [0] * 12, "plain"), make_report([1] * 14 + [0] * 2, "few-shot"))
    low, high = round(100 * found.difference.low), round(100 * found.difference.high)
    assert str(found) == repr(found)
    assert str(found) == f"few-shot against plain: helps; +62 points [+{low}, +{high}], p = 0.002, n = 16"


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.12, 0.04, 0.2), "+12 points [+4, +20]"),
        (Estimate(-0.12, -0.2, 0.04), "-12 points [-20, +4]"),
        (Estimate(0.0, 0.0, 0.0), "+0 points [+0, +0]"),
    ],
)
def test_a_difference_reads_in_points(estimate, text):
    assert format_points(estimate) == text


def test_html_of_a_comparison_is_escaped_and_counts_the_flips():
    found = compare(make_report([0, 1, 0], "<i>plain</i>"), make_report([1, 0, 1], "<script>few</script>"))
    shown = found._repr_html_()
    assert not re.search(r"<(i|script)>", shown)
    assert html.escape("<i>plain</i>") in shown
    assert shown.count(html.escape("<script>few</script>")) == 2
    assert "2 examples gained, 1 lost; 1.0 times the tokens." in shown


# --- over a real server --------------------------------------------------------------------------------------


@pytest.fixture
def fake():
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def model(fake, monkeypatch):
    """A model of the fake server, in live mode, that tries nothing again."""
    settings = {"MODE": "live", "PROVIDER": "vllm", "BASE_URL": fake.base_url, "MODEL": "fake", "RETRIES": "0"}
    for name, value in settings.items():
        monkeypatch.setenv(f"LLMOPS_{name}", value)
    return Model("01_test")


def list_asked(fake):
    return [body["messages"][-1]["content"] for body in fake.bodies]


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_request_that_fails_for_ever_fails_its_row_alone(fake, model, parallel):
    fake.answer = lambda body: body["messages"][-1]["content"]
    fake.choose_fault = lambda request: (
        refuse(500, "The GPU fell over.") if request.body["messages"][-1]["content"] == "input 3" else None
    )
    report = evaluate(lambda text: model.chat(text), make_examples(12), ExactMatch(), parallel=parallel)
    assert list(report.scores) == [1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    assert report.rows[3].error.startswith("ProviderDown: 127.0.0.1 fails (500)")
    assert "The GPU fell over." in report.rows[3].error
    assert (report.rows[3].prompt_tokens, report.rows[3].num_calls, report.rows[3].prediction) == (0, 0, None)
    assert {(row.prompt_tokens, row.completion_tokens, row.cost_usd) for row in report.rows if not row.error} == {
        (12, 3, 0.0)
    }
    assert all(row.latency_s > 0 for row in report.rows if not row.error)
    assert report.provenance == "fake (127.0.0.1), live"
    assert sorted(list_asked(fake)) == sorted(f"input {number}" for number in range(12))


def test_a_refused_key_ends_the_run_at_once(fake, model):
    fake.choose_fault = lambda request: refuse(401)
    with pytest.raises(KeyRefused):
        evaluate(lambda text: model.chat(text), make_examples(60), ExactMatch(), parallel=2)
    assert len(fake.requests) < 60


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_server_is_asked_each_example_once_over_an_interrupt(fake, model, parallel):
    stop, examples = Stop(6), make_examples(40)

    def stop_and_answer(body):
        stop.note(body["messages"][-1]["content"])
        return body["messages"][-1]["content"]

    fake.answer = stop_and_answer
    interrupt(lambda text: model.chat(text), examples, parallel=parallel)
    num_asked = len(fake.requests)
    stop.release()
    report = evaluate(lambda text: model.chat(text), examples, ExactMatch(), parallel=parallel)
    assert sorted(list_asked(fake)) == sorted(example.input for example in examples)
    assert (report.num_resumed, list(report.scores)) == (num_asked, [1] * 40)


def test_nothing_is_left_in_the_home_but_an_empty_folder(home):
    evaluate(lambda text: text, make_examples(3), ExactMatch())
    assert [path for path in Path(home).rglob("*") if path.is_file()] == []
