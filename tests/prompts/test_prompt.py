"""Claims about prompts: strict templates in a sandbox, messages, versions by content."""

import time

import numpy as np
import pandas
import pytest

from llmops_utils.core import PromptError
from llmops_utils.prompts import ELEMENTS, Prompt, templates

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


def test_elements_that_render_to_whitespace_are_left_out_and_spaces_within_one_stay():
    prompt = Prompt("p", "  \n", "{% if fact %}{{ fact }}{% endif %}", "{{ question }}", system=("instruction",))
    assert get_text(prompt, fact="", question="Why?") == "Why?"
    assert get_text(prompt, fact="So.", question="Why?") == "So.\n\nWhy?"
    prompt = Prompt("p", context="{% for label in labels %}\n  - {{ label }}\n  {% endfor %}\nEnd ", output="Intent: ")
    assert get_text(prompt, labels=["a", "b"]) == "  - a\n  - b\nEnd \n\nIntent: "  # lines of commands leave none
    assert find_fault(Prompt("p", "{{ question }}").render, question=" ") == "The prompt p renders to nothing."
    assert Prompt("p", "Do it.", system=("instruction",)).render() == [{"role": "system", "content": "Do it."}]


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
    assert Prompt("p", "{% set e = 1 %}{{ e }}").variables == set()


def test_a_missing_or_unknown_variable_is_named_with_what_is_wanted():
    prompt = GREETING.replace(context="{{ mood | default('good') }}")
    with pytest.raises(PromptError) as caught:
        prompt.render()
    said = "The prompt greeting lacks a value for mood (in context), name (in instruction and input)."
    assert (caught.value.problem, caught.value.next_step) == (said, "Give it: render(mood=…, name=…).")
    with pytest.raises(PromptError) as caught:
        prompt.render(nam="Ada", mood="good")
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


BOMBS = [
    *("{{ 'a'|center(1500000000) }}", "{{ '%1500000000d'|format(1) }}", "{{ 'a\\nb'|indent(1500000000) }}"),
    *("{{ [1]|batch(1500000000, 0)|list }}", "{{ [1]|slice(1500000000)|list }}", "{{ [1]|tojson(indent=1500000000) }}"),
    *(
        "{{ 'aaaa'" + "|replace('a', 'aaaaaaaaaa')" * 9 + " }}",
        "{{ 'a'.center(1500000000) }}",
        "{{ 'a' * 1500000000 }}",
    ),
    *("{{ 9 ** 9 ** 9 }}", "{{ '%1500000000d' % 1 }}", "{{ '{:1500000000}'.format(1) }}", "{{ range(10**9)|join }}"),
    "{% set n = namespace(s='aaaa') %}{% for i in '0123456789' %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
    "{% set x = 'ab'|list %}{{ [" + ", ".join(["x"] * 999) + f"]|map('join', '{'a' * 9999}')|list|length }}}}",
    "{% set x = ['ab'] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "{% set x = ('ab',) %}" + "{% set x = (x, x) %}" * 60 + "{{ {x: 1}|length }}",
    "{% set x = {1: 1} %}" + "{% set x = {1: x, 2: x} %}" * 60 + "{{ x|tojson }}",
    f"{{% set x = '{'a' * 900_000}' %}}" + "{{ [" + ", ".join(["x[::-1]"] * 999) + "]|length }}",
    f"{{% set x = '{'a' * 999_999}' %}}" + "{% for i in x %}{% for j in x %}{% endfor %}{% endfor %}",
    f"{{% set x = '{'a' * 99_999}' %}}" + "{% for i in x %}{% for j in x %}{% set y = x < x %}{% endfor %}{% endfor %}",
    f"{{% set x = '{'a' * 9_999}' %}}" + "{% for i in x %}{% for j in x %}aaaaaaaaaaaaaaaa{% endfor %}{% endfor %}",
    *("{{ x }}" * 9999, "{% set x %}{{ 'a' }}{% endset %}"),
]


def test_no_prompt_of_somebody_else_takes_the_memory_or_the_time(monkeypatch):
    monkeypatch.setattr(templates, "MOST_S", 0.1)
    started = time.perf_counter()
    for text in BOMBS:
        with pytest.raises(PromptError):
            Prompt("p", input=text).render()
    assert time.perf_counter() - started < 15
    useful = "{{ names | map('upper') | join(', ') }} and {{ more[:1] | default('none') }}{% if 2 > 1 and more %}.{% endif %}"
    assert get_text(Prompt("p", input=useful), names=["a", "b"], more="cd") == "A, B and c."


def test_a_syntax_error_is_reported_at_construction_with_element_and_line():
    cases = [
        ("{{ a }", 1, "unexpected '}'"),
        ("One\n{{ a", 2, "unexpected end of template"),
        ("One\n\n{% for x in y %}", 3, "Unexpected end of template"),
        ("One\n{{ a | nofilter }}", 2, "No filter named 'nofilter'"),
        ("{{ a | random }}", 1, "No filter named 'random'"),
        *(
            (template, 1, "a prompt calls and computes nothing; filters do that")
            for template in ("{{ a.upper() }}", "{{ '{0.__class__}'.format(a) }}", "{{ 1 / 0 }}", "{{ a ~ a }}")
        ),
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
        ("{{ message.txet }}", "'str object' has no attribute 'txet'"),
        ("{{ message.upper }}", "an expression gives a builtin_function_or_method, not text"),
        ("{{ message | map('upper') }}", "an expression gives a generator, not text"),
        ("{% for a in 'b' %}" * 30 + "{% endfor %}" * 30, "too many statically nested blocks"),
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


def test_the_version_changes_with_the_elements_and_system_and_with_nothing_else():
    assert Prompt("p", "Grüße ☕", system=("instruction",)).version == "75a0482d"
    assert Prompt("p", "Half \ud83d.") == Prompt("p", "Half \ufffd.")
    same = [{"name": "other"}, {"description": "For Ada."}, {"revision": 7}]
    other = [*({element: "x"} for element in ELEMENTS), {"system": ("instruction",)}]
    assert {GREETING.replace(**change).version for change in same} == {GREETING.version}
    assert len({GREETING.replace(**change).version for change in other} - {GREETING.version}) == 5
    assert len({GREETING.replace(system=order).version for order in (("input", "output"), ["output", "input"])}) == 1
    assert Prompt("p", instruction="x").version != Prompt("p", context="x").version


def test_replace_and_without_give_a_new_prompt_without_revision():
    old = Prompt("p", "Do it.", revision=3)
    assert old.replace(context="Facts.") == Prompt("p", "Do it.", "Facts.")
    assert old.revision == 3
    with pytest.raises(PromptError, match=r"no field “contxt”(?s:.*)Did you mean context\?"):
        old.replace(contxt="x")
    assert GREETING.without("instruction", "output") == Prompt("greeting", input="Name: {{ name }}")
    assert find_fault(GREETING.without, "name") == "A prompt has no element “name”."


def test_the_table_shows_the_elements_escaped_and_rendered_where_variables_are_given():
    page = Prompt("p", "Use <b> & {{ x }}", system=("instruction",), revision=2)._repr_html_()
    assert ">Use &lt;b&gt; &amp; {{ x }}</pre>" in page
    assert (page.count("<tr>"), page.count("<em>(empty)</em>")) == (4, 3)
    assert "Greet Ada &lt;3." in GREETING.show(name="Ada <3")._repr_html_()
    assert find_fault(GREETING.show, nmae="Ada") == "The prompt greeting has no variable nmae."
