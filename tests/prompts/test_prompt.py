"""Claims about prompts: strict templates in a sandbox, messages, versions by content."""

import time

import numpy as np
import pandas
import pytest

from llmops_utils.core import PromptError
from llmops_utils.prompts import ELEMENTS, Prompt

GREETING = Prompt("greeting", instruction="Greet {{ name }}.", input="Name: {{ name }}", output="Greeting:")


def get_text(prompt, /, **variables):
    """Return the text of the only message."""
    (message,) = prompt.render(**variables)
    assert message["role"] == "user"
    return message["content"]


def find_fault(function, *arguments, **named):
    """Return the problem that the error names, or None where there is no error."""
    try:
        function(*arguments, **named)
    except PromptError as error:
        return error.problem
    return None


def test_elements_are_joined_in_order_by_blank_lines_into_one_user_message():
    prompt = Prompt("p", output="Answer:", input="{{ question }}", context="Facts.", instruction="Do it.")
    assert ELEMENTS == ("instruction", "context", "input", "output")
    assert prompt.render(question="Why?") == [{"role": "user", "content": "Do it.\n\nFacts.\n\nWhy?\n\nAnswer:"}]


def test_system_elements_go_into_a_system_message_in_the_order_of_the_elements():
    prompt = Prompt("p", "Do it.", "Facts.", "Why?", "Answer:", system=("context", "instruction"))
    assert prompt.system == ("instruction", "context")
    assert prompt.render() == [
        {"role": "system", "content": "Do it.\n\nFacts."},
        {"role": "user", "content": "Why?\n\nAnswer:"},
    ]
    assert Prompt("p", "Do it.", system=["instruction"]).render() == [{"role": "system", "content": "Do it."}]


def test_elements_that_render_to_whitespace_are_left_out():
    prompt = Prompt("p", "  \n", "{% if fact %}{{ fact }}{% endif %}", "{{ question }}", system=("instruction",))
    assert get_text(prompt, fact="", question="Why?") == "Why?"
    assert get_text(prompt, fact="So.", question="Why?") == "So.\n\nWhy?"
    assert find_fault(Prompt("p", "{{ question }}").render, question=" ") == "The prompt p renders to nothing."


def test_spaces_within_an_element_stay_and_lines_of_commands_leave_none():
    prompt = Prompt("p", context="{% for label in labels %}\n  - {{ label }}\n  {% endfor %}\nEnd ", output="Intent: ")
    assert get_text(prompt, labels=["a", "b"]) == "  - a\n  - b\nEnd \n\nIntent: "
    assert get_text(Prompt("p", "Do it.\n", "Facts.\n\n")) == "Do it.\n\nFacts.\n"


def test_values_are_inserted_literally_and_never_read_as_templates_or_escaped():
    texts = ["{{ instruction }}", "{% for x in y %}", "{# gone #}", "{{ ''.__class__ }}", "{% endif %}{{", "\r\n{%"]
    prompt = Prompt("p", "Do it.", input="Message: {{ message }}")
    for text in [*texts, "<b> & 'x'"]:
        assert get_text(prompt, message=text) == f"Do it.\n\nMessage: {text}"


def test_variables_may_have_names_that_python_or_jinja_use():
    for name in ("name", "prompt", "dict", "lipsum", "cycler", "input"):
        prompt = Prompt("p", "Say {{ NAME }}.".replace("NAME", name))
        assert get_text(prompt, **{name: "x"}) == "Say x."
        assert find_fault(prompt.render) == f"The prompt p lacks a value for {name} (in instruction)."


def test_variables_are_those_of_all_elements_and_no_loop_variables():
    prompt = Prompt("p", "{{ a }}", "{% for x in b %}{{ x.c }}{{ loop.index }}{% endfor %}", "{% if d %}{% endif %}")
    assert prompt.variables == {"a", "b", "d"}
    assert Prompt("p", "{% set e = 1 %}{{ e }}{{ range(3) | list }}").variables == set()


def test_a_missing_variable_is_named_with_the_prompt_and_the_elements_that_want_it():
    prompt = GREETING.replace(context="{{ mood | default('good') }}")
    with pytest.raises(PromptError) as caught:
        prompt.render()
    assert caught.value.problem == (
        "The prompt greeting lacks a value for mood (in context), name (in instruction and input)."
    )
    assert caught.value.next_step == "Give it: render(mood=…, name=…)."


def test_an_unknown_variable_is_named_with_the_nearest_and_all_known_ones():
    with pytest.raises(PromptError) as caught:
        GREETING.replace(context="{{ mood }}").render(nam="Ada", mood="good")
    assert caught.value.problem == "The prompt greeting has no variable nam."
    assert caught.value.next_step == "Did you mean name? There is: mood, name."


def test_a_value_none_or_a_gap_in_the_data_raises_instead_of_printing_it():
    prompt = Prompt("p", input="{{ x }}")
    for gap in (None, float("nan"), np.float64("nan"), pandas.NA, pandas.NaT):
        with pytest.raises(
            PromptError, match=r"an expression gives .*, (a gap in the data, )?not text(?s:.*)the value of x"
        ):
            prompt.render(x=gap)
    assert [get_text(prompt, x=value) for value in (0, False, "nan")] == ["0", "False", "nan"]


def test_half_a_character_becomes_a_mark_where_the_text_enters():
    assert Prompt("p", "Half \ud83d.") == Prompt("p", "Half \ufffd.")


BOMBS = [
    *("{{ 'a'|center(1500000000) }}", "{{ '%1500000000d'|format(1) }}", "{{ 'a\\nb'|indent(1500000000) }}"),
    *("{{ [1]|batch(1500000000, 0)|list }}", "{{ [1]|slice(1500000000)|list }}", "{{ 'a'.center(1500000000) }}"),
    *("{{ 'aaaa'" + "|replace('a', 'aaaaaaaaaa')" * 9 + " }}", "{{ 'aaaa'" + ".replace('a', 'aaaaaaaaaa')" * 9 + " }}"),
    *("{{ 'a' * 1500000000 }}", "{{ [1] * 150000000 }}", "{{ '%1500000000d' % 1 }}", "{{ 9 ** 9 ** 9 }}"),
    *("{{ '{:1500000000}'.format(1) }}", "{{ 'a'.zfill(1500000000) }}", "{{ 'a\\tb'.expandtabs(1500000000) }}"),
    "{% set n = namespace(s='aaaa') %}{% for i in range(40) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
    "{% set n = namespace(s='aaaa') %}{% for i in range(40) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s }}",
    "{% for i in range(9999) %}{% for j in range(9999) %}aaaaaaaaaaaaaaaa{% endfor %}{% endfor %}",
    "{% for i in range(9999) %}{% for j in range(9999) %}{% set x = i %}{% endfor %}{% endfor %}",
    *("{{ range(1000)|join('a' * 1000000) }}", "{{ ([range(1000)] * 99)|map('join', 'a' * 900)|list|length }}"),
    "{% set x = ['ab'] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "{% set x = ('ab',) %}" + "{% set x = (x, x) %}" * 60 + "{{ {x: 1}|length }}",
    "{% set x = {1: 1} %}" + "{% set x = {1: x, 2: x} %}" * 60 + "{{ x|tojson }}",
    "{% set x = 9 ** 64 %}" + "{% set x = x * x %}" * 60 + "{{ x > 1 }}",
    "{% set x = 'a' * 900000 %}{{ (" + " ~ ".join(["x"] * 3000) + ")|length }}",
    "{% set x = 'a' * 900000 %}{{ [" + ", ".join(["x[::-1]"] * 999) + "]|length }}",
    "{% for i in 'a' * 999999 %}{% for j in 'a' * 999999 %}{% endfor %}{% endfor %}",
    "{% for i in range(999) %}{% for j in range(999) %}{% set x = 'b' * 99999 < 'b' * 99999 %}{% endfor %}{% endfor %}",
    *("{{ {}.fromkeys(range(9), 1) }}", "{{ (1).to_bytes(1500000000) }}", "{{ [1]|tojson(indent=1500000000) }}"),
    *("{{ x }}" * 9999, "{% set x %}{{ 'a' * 999999 }}{% endset %}"),
]


def test_no_prompt_of_somebody_else_takes_the_memory_or_the_time():
    started = time.perf_counter()
    for text in BOMBS:
        with pytest.raises(PromptError):
            Prompt("p", input=text).render()
    assert time.perf_counter() - started < 30
    useful = (
        "{{ names | map('upper') | join(', ') }}{{ ' and ' ~ more | default('none') }}, {{ 2 * 3 }} {{ 'Ab'.lower() }}"
    )
    assert Prompt("p", input=useful).render(names=["a", "b"], more="c")[0]["content"] == "A, B and c, 6 ab"


def test_a_syntax_error_is_reported_at_construction_with_element_and_line():
    cases = [
        ("{{ a }", 1, "unexpected '}'"),
        ("One\n{{ a", 2, "unexpected end of template"),
        ("One\n\n{% for x in y %}", 3, "Unexpected end of template"),
        ("{# note", 1, "Missing end of comment tag"),
        ("One\n{{ a | nofilter }}", 2, "No filter named 'nofilter'"),
        ("{{ a is nosuch }}", 1, "No test named 'nosuch'"),
        ("{{ a | random }}", 1, "No filter named 'random'"),
        ("{% nonsense %}", 1, "Encountered unknown tag 'nonsense'"),
        *(
            (template, 1, "a prompt knows the commands if, for, set and with")
            for template in (
                *("{% include 'other' %}", "{% macro m() %}{{ m() }}{% endmacro %}", "{% extends 'x' %}"),
                *("{% for a in b recursive %}{% endfor %}", "{% block a %}{% endblock %}", "{% import 'x' as y %}"),
                *("{% filter upper %}{% endfilter %}", "{% call m() %}{% endcall %}"),
            )
        ),
    ]
    for element in ELEMENTS:
        for template, line, fault in cases:
            said = f"The {element} of the prompt p is no template, line {line}: {fault}"
            assert (find_fault(Prompt, "p", **{element: template}) or "").startswith(said), template


def test_the_sandbox_refuses_with_the_element_and_the_reason():
    unsafe = "access to attribute '{}' of '{}' object is unsafe"
    cases = [
        ("{{ ''.__class__ }}", unsafe.format("__class__", "str")),
        ("{{ message['__class__'] }}", unsafe.format("__class__", "str")),
        ("{{ message | attr('__class__') }}", unsafe.format("__class__", "str")),
        ("{{ message[0].__init__.__globals__ }}", unsafe.format("__init__", "str")),
        ("{{ '{0.__class__}'.format(message) }}", unsafe.format("format", "str")),
        ("{{ '{m.__class__}'.format_map({'m': message}) }}", unsafe.format("format_map", "str")),
        ("{{ [message].append(1) }}", unsafe.format("append", "list")),
        ("{{ message.txet }}", "'str object' has no attribute 'txet'"),
        ("{{ message.upper }}", "an expression gives a builtin_function_or_method, not text"),
        ("{{ message | map('upper') }}", "an expression gives a generator, not text"),
        ("{{ range }}", "an expression gives a function, not text"),
        ("{% for a in 'b' %}" * 30 + "{% endfor %}" * 30, "too many statically nested blocks"),
        ("{% for i in range(10**9) %}x{% endfor %}", "Range too big. The sandbox blocks ranges larger than"),
        ("{{ 1 / 0 }}", "division by zero"),
    ]
    for template, fault in cases:
        prompt = Prompt("p", context=template)
        with pytest.raises(PromptError) as caught:
            prompt.render(**dict.fromkeys(prompt.variables, "text"))
        assert caught.value.problem.startswith(f"The context of the prompt p cannot be rendered: {fault}"), template
        step = "Mend the context" + (", or the value of message." if prompt.variables else ".")
        assert caught.value.next_step == step, template


def test_a_field_of_the_wrong_kind_raises():
    for name in ("name", *ELEMENTS, "description"):
        assert find_fault(Prompt, **{"name": "p"} | {name: 3}) == f"{name} of a prompt is 3, not text."
    assert find_fault(Prompt, "p", system="instruction") == "system of the prompt p is 'instruction'."
    with pytest.raises(PromptError) as caught:
        Prompt("p", system=("instructions",))
    assert str(caught.value) == (
        "A prompt has no element “instructions”.\n"
        "What to do: Did you mean instruction? There is: context, input, instruction, output."
    )


def test_the_version_of_a_known_prompt_never_changes():
    assert GREETING.version == "f49680c5"
    assert Prompt("p", "Grüße ☕", system=("instruction",)).version == "75a0482d"


def test_the_version_changes_with_the_elements_and_system_and_with_nothing_else():
    same = [{"name": "other"}, {"description": "For Ada."}, {"revision": 7}]
    other = [*({element: "x"} for element in ELEMENTS), {"system": ("instruction",)}]
    assert {GREETING.replace(**change).version for change in same} == {GREETING.version}
    assert len({GREETING.replace(**change).version for change in other} - {GREETING.version}) == 5
    assert len({GREETING.replace(system=order).version for order in (("input", "output"), ["output", "input"])}) == 1
    assert Prompt("p", instruction="x").version != Prompt("p", context="x").version


def test_replace_gives_a_new_prompt_without_revision():
    old = Prompt("p", "Do it.", revision=3)
    assert old.replace(context="Facts.") == Prompt("p", "Do it.", "Facts.")
    assert old.revision == 3
    with pytest.raises(PromptError, match=r"no field “contxt”(?s:.*)Did you mean context\?"):
        old.replace(contxt="x")


def test_without_empties_the_named_elements():
    assert GREETING.without("instruction", "output") == Prompt("greeting", input="Name: {{ name }}")
    assert GREETING.without() == GREETING
    for wrong in ("outputs", "name", "system", "revision"):
        assert find_fault(GREETING.without, wrong) == f"A prompt has no element “{wrong}”."


def test_the_table_shows_name_version_and_each_element_escaped():
    prompt = Prompt("p", "Use <b> & {{ x }}", system=("instruction",), revision=2)
    page = prompt._repr_html_()
    assert f"p {prompt.version} (revision 2)" in page
    assert '<b>instruction</b><br><span style="opacity:.7">system</span>' in page
    assert '<b>output</b><br><span style="opacity:.7">user</span>' in page
    assert '<pre style="white-space:pre-wrap;margin:0">Use &lt;b&gt; &amp; {{ x }}</pre>' in page
    assert (page.count("<tr>"), page.count("<em>(empty)</em>")) == (4, 3)


def test_show_renders_the_elements_where_variables_are_given_and_reads_as_plain_text():
    table = GREETING.show(name="Ada <3")
    assert table.rows == (
        ("instruction", "user", "Greet Ada <3."),
        ("context", "user", ""),
        ("input", "user", "Name: Ada <3"),
        ("output", "user", "Greeting:"),
    )
    assert "Greet Ada &lt;3." in table._repr_html_()
    assert repr(Prompt("p", "Do it.", "Facts.", "Why?", system=("instruction",)).show()) == (
        "p f19d4d20\n[instruction → system]\nDo it.\n[context → user]\nFacts.\n[input → user]\nWhy?\n[output → user]\n"
    )
    assert find_fault(GREETING.show, nmae="Ada") == "The prompt greeting has no variable nmae."
