"""Claims about the prompt workbench and the shot picker: every choice is what is sent, measured and shown."""

import pytest
from widget_views import (
    ESCAPED,
    EVIL,
    FakeChat,
    FakeMeasure,
    make_picker,
    make_workbench,
    press,
    read_rows,
)

from llmops_utils.core import ProviderError, RecordingMissing
from llmops_utils.course.widgets.prompts import OWN, PARTS

# --- the workbench -------------------------------------------------------------------------------------------


@pytest.fixture
def model():
    return FakeChat("kettle", "My kettle leaks.")


@pytest.fixture
def workbench(model):
    return make_workbench(model)


def choose(workbench, number, *parts):
    """Choose a message and the elements, as with the mouse, and return what is shown."""
    workbench.menu.value = number
    for part, box in workbench.boxes.items():
        box.value = part in parts
    return workbench.view.value


def test_each_of_the_sixteen_combinations_is_asked_once_and_the_boxes_choose_the_elements(workbench, model):
    assert "<code>kettle</code>" in choose(workbench, 0, "examples")
    assert len(model.asked) == 16
    assert read_rows(choose(workbench, 0, "output")) == [["user", "My kettle leaks.\n\nProduct:"]]
    assert [role for role, _ in read_rows(choose(workbench, 0, *PARTS))] == ["system", "user", "assistant", "user"]
    assert "<code>kettle</code> (right)" in workbench.view.value
    workbench.boxes["context"].value = workbench.boxes["examples"].value = False
    assert "We sell kettles." not in workbench.view.value
    assert "<code>Thank you.</code> (wrong, expected: kettle)" in workbench.view.value


def test_without_a_recording_a_line_says_so_and_the_prompt_is_still_shown(workbench):
    assert "not among the recordings" in choose(workbench, 1, *PARTS)
    assert "Name it." in workbench.view.value
    assert "<code>kettle</code>" in choose(workbench, 0, "examples")
    with pytest.raises(RecordingMissing):
        make_workbench(FakeChat("kettle", "another message"))


# --- the shot picker -----------------------------------------------------------------------------------------


@pytest.fixture
def measure():
    return FakeMeasure()


@pytest.fixture
def picker(measure):
    return make_picker(measure)


def pick(picker, *numbers):
    """Choose examples of the pool, as with the mouse."""
    for menu in picker.lists.values():
        menu.value = tuple(number for _, number in menu.options if number in numbers)
    picker.menu.value = OWN


def test_a_ready_set_is_shown_without_measuring_and_the_lists_are_hidden_until_one_chooses(picker, measure):
    before = len(measure.calls)
    picker.menu.value = "only repair"
    assert "<strong>only repair</strong>" in picker.view.value
    assert read_rows(picker.view.value) == [["delivery", "0 of 4", "0 of 8"], ["repair", "4 of 4", "8 of 8"]]
    assert len(measure.calls) == before
    assert picker.grid.layout.display == "none"
    picker.menu.value = OWN
    assert picker.grid.layout.display is None
    assert "Choose examples and press Measure." in picker.view.value
    picker.menu.value = "none"
    assert picker.grid.layout.display == "none"


def test_an_own_choice_is_measured_in_the_order_of_the_pool_and_what_cannot_be_measured_is_told(picker, measure):
    pick(picker, 3, 1)
    press(picker, "Measure")
    assert measure.calls[-1] == (f"{OWN}: 2 examples", ["s1", "s3"])
    assert f"{OWN}: 2 examples" in picker.view.value
    pick(picker, 0)
    for fault, told in (
        (RecordingMissing("no such recording", "record it"), "not among the recordings"),
        (ProviderError(EVIL, "Try again."), ESCAPED),
    ):
        measure.fault = fault
        press(picker, "Measure")
        assert told in picker.view.value
        assert "<script" not in picker.view.value
    picker.menu.value = "none"
    assert "<strong>none</strong>" in picker.view.value
