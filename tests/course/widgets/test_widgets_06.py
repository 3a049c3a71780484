"""Claims about the shot picker: it measures what is chosen, works from recordings, and takes no text for markup."""

from dataclasses import replace

import pytest

from llmops_utils.core import ProviderError, RecordingMissing
from llmops_utils.course.widgets.shot_picker import OWN, ShotPicker
from llmops_utils.datasets import load_messages, make_examples
from llmops_utils.evaluation import ChoiceMatch, evaluate

EVIL = "<script>alert('x')</script> & \"more\""
POOL = load_messages("shots")
LABELS = sorted({shot.intent for shot in POOL})
EXAMPLES = make_examples(load_messages("dev")[:16], "text", "intent")
READY = {"none": [], "one per intent": POOL[:8], "only repair": [shot for shot in POOL if shot.intent == "repair"]}


class Measure:
    """Measures without a model: the answer is the label of the last example, “delivery” without one."""

    def __init__(self):
        self.calls = []

    def __call__(self, shots, name):
        self.calls.append((name, [shot.id for shot in shots]))
        answer = shots[-1].intent if shots else "delivery"
        return evaluate(lambda text: answer, EXAMPLES, ChoiceMatch(LABELS), name=name)


@pytest.fixture
def measure():
    return Measure()


@pytest.fixture
def picker(measure):
    return ShotPicker(POOL, READY, measure)


def read_bundle(shown):
    bundle = shown._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


def test_the_static_view_is_a_table_with_a_row_for_each_ready_set(picker):
    data = read_bundle(picker)
    assert "<table" in data["text/html"]
    assert data["text/html"].count("<tr>") == 1 + len(READY)
    assert "only repair</td><td>12</td><td>12% " in data["text/html"]
    assert data["text/plain"].startswith("Shot picker: 3 ready sets of examples, measured on 16 messages")


def test_what_is_measured_already_is_not_measured_again(measure):
    known = {"none": measure([], "none")}
    ShotPicker(POOL, READY, measure, known)
    assert [name for name, _ in measure.calls] == ["none", "one per intent", "only repair"]


def test_choosing_a_ready_set_shows_it_without_measuring(picker, measure):
    before = len(measure.calls)
    picker.menu.value = "only repair"
    assert "<strong>only repair</strong>" in picker._view.value
    assert "<td style='text-align:left'>repair</td><td>2 of 2</td><td>16 of 16</td>" in picker._view.value
    assert len(measure.calls) == before
    assert picker.chosen == READY["only repair"]


def test_an_own_choice_is_measured_in_the_order_of_the_pool(picker, measure):
    picker.pick(POOL[5].id, POOL[2].id)
    assert picker.menu.value == OWN
    assert picker._grid.layout.display is None
    picker.measure_button.click()
    assert measure.calls[-1] == (f"{OWN}: 2 examples", [POOL[2].id, POOL[5].id])
    assert f"{OWN}: 2 examples" in picker._view.value
    assert picker._message.value == ""


def test_the_lists_are_hidden_until_one_chooses(picker):
    assert picker._grid.layout.display == "none"
    picker.menu.value = OWN
    assert "Choose examples" in picker._message.value
    picker.menu.value = "none"
    assert picker._grid.layout.display == "none"


def test_in_replay_an_unrecorded_choice_gets_a_friendly_line(picker):
    def fail(shots, name):
        raise RecordingMissing("no such recording", "record it")

    picker._measure = fail
    picker.pick(POOL[0].id)
    picker.measure()
    assert "not among the recordings" in picker._message.value
    picker.menu.value = "none"
    assert picker._message.value == ""
    assert "<strong>none</strong>" in picker._view.value


def test_another_error_is_told_and_its_text_is_no_markup(picker):
    def fail(shots, name):
        raise ProviderError(EVIL, "Try again.")

    picker._measure = fail
    picker.pick(POOL[0].id)
    picker.measure()
    assert "<script" not in picker._message.value
    assert "&lt;script&gt;" in picker._message.value


def test_names_and_labels_are_no_markup(measure):
    pool = [replace(POOL[0], intent="repair")]
    picker = ShotPicker(pool, {EVIL: pool}, measure)
    assert "<script" not in picker.static_html + picker._view.value
    assert "&lt;script&gt;" in picker.static_html


def test_the_picker_has_the_style_of_notebook_text(picker):
    picker.show("none")
    assert picker._view.value.startswith('<div class="jp-RenderedHTMLCommon">')
