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

from llmops_utils.course import LifecycleMap, PowerCalculator, ProviderChooser, TrainingCalculator
from llmops_utils.course.widgets.base import TeachingWidget, style_html

VIEW = "application/vnd.jupyter.widget-view+json"
NO_TEXT = (LifecycleMap, PowerCalculator, ProviderChooser, TrainingCalculator)  # nothing in them comes from outside


@pytest.fixture(scope="module")
def widgets():
    """A widget of each kind with a text that looks like markup in it."""
    return make_widgets(EVIL)


def test_a_widget_of_each_kind_is_read_without_a_kernel_shown_live_and_no_text_from_outside_is_markup(widgets):
    """The live view has the style of notebook text, and the stored one has none."""
    kinds = {kind for kind in TeachingWidget.__subclasses__() if kind.__module__.startswith("llmops_utils.course.")}
    assert {type(widget) for widget in widgets} == kinds
    wrong = []
    for widget in widgets:
        data, told = read_bundle(widget), widget.static_html + read_views(widget)
        is_fine = (
            "<table>" in widget.static_html,
            len(widget.summary) >= 40 and "\n" not in widget.summary,
            widget_module._instances[data[VIEW]["model_id"]] is widget,
            (data["text/html"], data["text/plain"]) == (widget.static_html, widget.summary),
            "<script" not in told and (ESCAPED in told or isinstance(widget, NO_TEXT)),
            find_open_tag(told) is None,
            widget.view.value.startswith(STYLED) and STYLED not in widget.static_html,
            "<table>" not in read_views(widget),  # JupyterLab centres it
        )
        wrong += [] if all(is_fine) else [(type(widget).__name__, is_fine)]
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


def test_two_widgets_on_the_same_data_are_stored_alike_also_after_the_controls_moved(widgets):
    """Some repeat below the controls what is stored, which stays there as well."""
    wrong = []
    for widget, twin in zip(widgets, make_widgets(EVIL), strict=True):
        controls = [part for part in list_parts(twin) if part.has_trait("value")]
        for control in [one for one in controls if not isinstance(one, ipywidgets.HTML)]:
            for value in list_other_values(control)[-1:]:
                control.value = value
        is_alike = (twin.static_html, twin.summary) == (widget.static_html, widget.summary)
        repeats = getattr(twin.children[-1], "value", None) == style_html(twin.static_html)
        wrong += [] if is_alike and repeats == twin.repeats_static else [type(widget).__name__]
    assert wrong == []
