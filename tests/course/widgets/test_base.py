"""Claims about all widgets: read without a kernel, at home in a notebook, used with the keyboard, no text is markup."""

import ipywidgets
import pytest
from ipywidgets.widgets import widget as widget_module
from widget_views import (
    ESCAPED,
    EVIL,
    STYLED,
    find_open_tag,
    list_parts,
    make_widgets,
    read_bundle,
    read_views,
)

from llmops_utils.core import ProviderError, RecordingMissing
from llmops_utils.course import LifecycleMap, PowerCalculator, ProviderChooser, TrainingCalculator
from llmops_utils.course.widgets.base import TeachingWidget

VIEW = "application/vnd.jupyter.widget-view+json"
NO_TEXT = (LifecycleMap, PowerCalculator, ProviderChooser, TrainingCalculator)  # nothing in them comes from outside


@pytest.fixture(scope="module")
def widgets(tmp_path_factory):
    """A widget of each kind with a text that looks like markup in it."""
    return make_widgets(EVIL)


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """The same once more, from data of their own."""
    return make_widgets(EVIL)


def test_there_is_a_widget_of_each_kind_with_a_table_and_a_sentence_to_read_without_a_kernel(widgets):
    kinds = {kind for kind in TeachingWidget.__subclasses__() if kind.__module__.startswith("llmops_utils.course.")}
    assert {type(widget) for widget in widgets} == kinds
    wrong = [type(widget).__name__ for widget in widgets if "<table>" not in widget.static_html]
    wrong += [type(widget).__name__ for widget in widgets if len(widget.summary) < 40 or "\n" in widget.summary]
    assert wrong == []


def test_a_widget_is_shown_live_as_html_and_as_text(widgets):
    wrong = []
    for widget in widgets:
        data = read_bundle(widget)
        is_live = widget_module._instances[data[VIEW]["model_id"]] is widget
        if not is_live or data["text/html"] != widget.static_html or data["text/plain"] != widget.summary:
            wrong.append(type(widget).__name__)
    assert wrong == []


def test_no_text_from_outside_is_markup_and_every_tag_is_closed(widgets):
    wrong = []
    for widget in widgets:
        told = widget.static_html + read_views(widget)
        has_text = ESCAPED in told or isinstance(widget, NO_TEXT)
        if "<script" in told or not has_text or find_open_tag(told):
            wrong.append((type(widget).__name__, find_open_tag(told)))
    assert wrong == []


def test_the_live_view_has_the_style_of_notebook_text_and_the_stored_one_has_none(widgets):
    wrong = [type(widget).__name__ for widget in widgets if not widget.view.value.startswith(STYLED)]
    wrong += [type(widget).__name__ for widget in widgets if STYLED in widget.static_html]
    wrong += [type(widget).__name__ for widget in widgets if "<table>" in read_views(widget)]  # JupyterLab centres it
    assert wrong == []


def test_every_control_says_what_it_is_for(widgets):
    wrong = []
    for part in [part for widget in widgets for part in list_parts(widget)]:
        if isinstance(part, ipywidgets.Button) and not (part.description and part.tooltip):
            wrong.append(part)
        if part.has_trait("value") and not isinstance(part, ipywidgets.HTML):
            is_named = part.description or part.has_trait("tooltips") or part.placeholder
            wrong += [] if is_named else [part]
    assert wrong == []


def list_other_values(control):
    """Return values that a control may take, but not the one it has."""
    if control.has_trait("options"):
        options = [option[1] if isinstance(option, tuple) else option for option in control.options]
        return [] if isinstance(control, ipywidgets.SelectMultiple) else options
    if isinstance(control, ipywidgets.Checkbox):
        return [not control.value]
    return [control.max] if control.has_trait("max") and control.max else []


def test_two_widgets_on_the_same_data_are_read_alike_so_that_a_stored_output_can_be_compared(widgets, twins):
    pairs = list(zip(widgets, twins, strict=True))
    assert [type(one).__name__ for one, other in pairs if one.static_html != other.static_html] == []


def test_the_stored_view_stays_when_the_controls_move(twins):
    wrong = []
    for widget in twins:
        before = widget.static_html, widget.summary
        controls = [part for part in list_parts(widget) if part.has_trait("value")]
        for control in [one for one in controls if not isinstance(one, ipywidgets.HTML)]:
            for value in list_other_values(control)[-1:]:
                control.value = value
        wrong += [] if (widget.static_html, widget.summary) == before else [type(widget).__name__]
    assert wrong == []


def test_what_was_not_recorded_is_told_with_a_way_out_and_other_errors_with_theirs():
    widget = LifecycleMap()
    assert "LLMOPS_MODE=live" in widget.explain(RecordingMissing("There is none.", "Record it."))
    assert widget.explain(ProviderError("Gone.", "Try again.")) == "Gone.\nWhat to do: Try again."
