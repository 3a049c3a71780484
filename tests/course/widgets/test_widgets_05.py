"""Claims about the prompt workbench: every combination in the static view, friendly without a recording, no markup."""

import re

import pytest

from llmops_utils.core import RecordingMissing
from llmops_utils.course.widgets import pictures
from llmops_utils.course.widgets.base import INK
from llmops_utils.course.widgets.prompt_workbench import PARTS, PromptWorkbench, list_combinations
from llmops_utils.datasets import Example
from llmops_utils.evaluation import PRICED_AT, ExactMatch, Report, Row
from llmops_utils.models import Provenance, Reply, price_tokens
from llmops_utils.prompts import Prompt

EVIL = "<script>alert('x')</script> & \"more\""
PROMPT = Prompt("p", "Name it.", "We sell kettles.", "{{ message }}", "Product:", system=("instruction", "context"))
EXAMPLES = [Example("a", "My kettle leaks.", "kettle"), Example("b", EVIL, "scale")]
SHOTS = [Example("s", "The grinder is loud.", "grinder")]


class FakeModel:
    """Answers “kettle” where an example was shown; knows the first message only, as a recording would."""

    def __init__(self, answer="kettle", known=("My kettle leaks.",)):
        self.answer, self.known, self.asked = answer, known, []

    def chat(self, messages, max_tokens):
        if not any(text in messages[-1]["content"] for text in self.known):
            raise RecordingMissing("There is no recording.", "Run live.")
        self.asked.append(messages)
        has_example = any(message["role"] == "assistant" for message in messages)
        length = sum(len(message["content"].split()) for message in messages)
        text = self.answer if has_example else "Thank you."
        return Reply(text, length, 2, 0.1, 0.0, Provenance("fake", "weights", "replay"))


def build(prompt, text, shots):
    *system, question = prompt.render(message=text)
    turns = [
        turn
        for shot in shots
        for turn in (prompt.render(message=shot.input)[-1], {"role": "assistant", "content": shot.expected})
    ]
    return [*system, *turns, question]


def make(model=None, examples=EXAMPLES):
    return PromptWorkbench(model or FakeModel(), PROMPT, examples, SHOTS, build, ExactMatch())


@pytest.fixture
def workbench():
    return make()


def test_there_are_sixteen_combinations_from_none_to_all():
    combinations = list_combinations()
    assert len(set(combinations)) == 16
    assert combinations[0] == ()
    assert combinations[-1] == PARTS


def test_the_static_view_has_a_row_for_each_combination_of_the_first_message(workbench):
    html = workbench._repr_mimebundle_()
    data = html[0] if isinstance(html, tuple) else html
    assert data["text/html"].count("<tr>") == 17
    assert data["text/html"].count(">right</td>") == 8
    assert data["text/html"].count(">wrong</td>") == 8
    assert "Message: My kettle leaks. Expected: kettle." in data["text/html"]
    assert data["text/plain"].startswith("Prompt workbench: 16 combinations")
    assert "8 of them get the right answer" in data["text/plain"]


def test_each_combination_is_asked_once():
    model = FakeModel()
    workbench = make(model)
    workbench.choose(0, "examples")
    workbench.choose(0, "examples")
    assert len(model.asked) == 16


def test_a_row_holds_tokens_and_the_list_price(workbench):
    (row,) = re.findall(r"<tr><td>○</td><td>○</td><td>○</td><td>○</td>.*?</tr>", workbench.static_html)
    assert "<td>3 + 2</td>" in row
    assert f"<td>${1000 * price_tokens(*PRICED_AT, 3, 2):.3f} per 1,000</td>" in row
    assert f"at {PRICED_AT[1]}" in workbench.static_html


def test_boxes_choose_the_elements_and_the_input_always_stays(workbench):
    workbench.choose(0, "output")
    assert workbench.parts == ("output",)
    assert workbench.build_messages(0, workbench.parts) == [{"role": "user", "content": "My kettle leaks.\n\nProduct:"}]
    workbench.choose(0, *PARTS)
    assert [message["role"] for message in workbench.build_messages(0, workbench.parts)] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


def test_a_box_shows_another_prompt_and_its_reply(workbench):
    assert "We sell kettles." in workbench._view.value
    assert "<code>kettle</code> (right)" in workbench._view.value
    workbench.boxes["context"].value = False
    workbench.boxes["examples"].value = False
    assert "We sell kettles." not in workbench._view.value
    assert "<code>Thank you.</code> (wrong, expected: kettle)" in workbench._view.value


def test_choose_returns_the_reply(workbench):
    assert workbench.choose(0, "examples") == "kettle"
    assert workbench.choose(0) == "Thank you."


def test_without_a_recording_a_line_says_so_and_the_prompt_is_still_shown(workbench):
    assert "not among the recordings" in workbench.choose(1, *PARTS)
    assert "not among the recordings" in workbench._view.value
    assert "Name it." in workbench._view.value
    assert workbench.choose(0, "examples") == "kettle"


def test_a_workbench_without_any_recording_raises():
    with pytest.raises(RecordingMissing):
        make(FakeModel(known=()))


def test_markup_in_message_prompt_and_reply_is_escaped():
    workbench = make(FakeModel(answer=EVIL, known=("kettle", "script")))
    workbench.choose(1, *PARTS)
    shown = workbench.static_html + workbench._view.value
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") == 8 + 2
    assert "<script" not in make(FakeModel(known=("script",)), EXAMPLES[::-1]).static_html


def test_the_workbench_has_the_style_of_notebook_text(workbench):
    assert workbench._view.value.startswith('<div class="jp-RenderedHTMLCommon">')


# --- score against cost --------------------------------------------------------------------------------------


def make_report(name, num_right, num_tokens):
    rows = tuple(Row(str(n), "in", "out", "out", float(n < num_right), "", num_tokens) for n in range(4))
    return Report(name, rows, "t", 0.0)


NEAR = [make_report("full", 2, 300), make_report("no context", 2, 298), make_report("no examples", 1, 90)]


class KeptPicture(pictures.Picture):
    """A picture that can be looked into."""

    def __init__(self, figure, alt):
        self.figure = figure
        super().__init__(figure, alt)


@pytest.fixture
def cost_figure(monkeypatch):
    monkeypatch.setattr(pictures, "Picture", KeptPicture)
    return pictures.draw_cost(NEAR).figure


def test_score_against_cost_says_its_numbers():
    assert pictures.draw_cost(NEAR).alt == (
        "Score against cost: full 50% at 300 tokens; no context 50% at 298 tokens; no examples 25% at 90 tokens."
    )


def test_the_names_of_near_points_stand_apart_in_a_legend_below_the_chart(cost_figure):
    (axes,) = cost_figure.axes
    texts = axes.get_legend().get_texts()
    assert [text.get_text() for text in texts] == [report.name for report in NEAR]
    assert {text.get_color() for text in texts} == {INK}
    boxes = [text.get_window_extent() for text in texts]
    assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)
    assert axes.get_legend().get_window_extent().y1 < axes.xaxis.label.get_window_extent().y0
    assert list(axes.texts) == []


def test_points_differ_in_colour_and_in_form(cost_figure):
    points = [container.lines[0] for container in cost_figure.axes[0].containers]
    assert len({point.get_color() for point in points}) == len({point.get_marker() for point in points}) == len(NEAR)
