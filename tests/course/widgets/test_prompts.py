"""Claims about the prompt workbench and the shot picker: every choice is what is sent, measured and shown."""

import pytest
from widget_views import ESCAPED, EVIL, FakeChat, FakeMeasure, make_picker, make_workbench, press, read_rows

from llmops_utils.core import ProviderError, RecordingMissing
from llmops_utils.course.widgets.prompts import COMBINATIONS, OWN, PARTS


def choose(workbench, number, *parts):
    """Choose a message and the elements, as with the mouse, and return what is shown."""
    workbench.menu.value = number
    for part, box in workbench.boxes.items():
        box.value = part in parts
    return workbench.view.value


def test_each_of_the_sixteen_combinations_is_asked_once_and_the_boxes_choose_the_elements():
    model = FakeChat("kettle", "My kettle leaks.")
    workbench = make_workbench(model)
    rows = read_rows(workbench.static_html)
    marks = [tuple(part for part, mark in zip(PARTS, row, strict=False) if mark == "●") for row in rows]
    assert marks == COMBINATIONS
    assert (len(set(marks)), marks[0], marks[-1]) == (16, (), PARTS)
    assert [row[-1] for row in rows] == ["right" if "examples" in parts else "wrong" for parts in marks]
    assert "8 of them get the right answer" in workbench.summary
    assert "<code>kettle</code>" in choose(workbench, 0, "examples")
    assert len(model.asked) == 16
    assert read_rows(choose(workbench, 0, "output")) == [["user", "My kettle leaks.\n\nProduct:"]]
    assert "<code>Thank you.</code> (wrong, expected: kettle)" in workbench.view.value
    assert [role for role, _ in read_rows(choose(workbench, 0, *PARTS))] == ["system", "user", "assistant", "user"]
    assert "<code>kettle</code> (right)" in workbench.view.value
    # what is not recorded is told, and the prompt still shown
    assert "not among the recordings" in choose(workbench, 1, *PARTS)
    assert "Name it." in workbench.view.value
    with pytest.raises(RecordingMissing):
        make_workbench(FakeChat("kettle", "another message"))


def test_a_ready_set_is_shown_without_measuring_and_the_lists_are_hidden_until_one_chooses():
    measure = FakeMeasure()
    picker = make_picker(measure)
    assert len(measure.calls) == 2
    assert picker.grid.layout.display == "none"
    picker.menu.value = "only repair"
    assert "<strong>only repair</strong>" in picker.view.value
    assert read_rows(picker.view.value) == [["delivery", "0 of 4", "0 of 8"], ["repair", "4 of 4", "8 of 8"]]
    picker.menu.value = OWN
    assert picker.grid.layout.display is None
    assert "Choose examples and press Measure." in picker.view.value
    assert len(measure.calls) == 2


def test_an_own_choice_is_measured_in_the_order_of_the_pool_and_what_cannot_be_measured_is_told():
    measure = FakeMeasure()
    picker = make_picker(measure)
    picker.menu.value = OWN
    for menu in picker.lists.values():
        menu.value = tuple(number for _, number in menu.options if number in (1, 3))
    press(picker, "Measure")
    assert measure.calls[-1] == (f"{OWN}: 2 examples", ["s1", "s3"])
    assert f"{OWN}: 2 examples" in picker.view.value
    missing, failing = RecordingMissing("no such recording", "record it"), ProviderError(EVIL, "Try again.")
    for fault, told in ((missing, "not among the recordings"), (failing, ESCAPED)):
        measure.fault = fault
        press(picker, "Measure")
        assert told in picker.view.value
