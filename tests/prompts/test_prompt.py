"""Claims about prompts: strict templates in a sandbox, versions by content, files that round-trip, a readable diff."""

import hashlib
import html
import os
import random
import re
import subprocess
import sys

import pytest

from llmops_utils.core import PromptError, WorkbookError
from llmops_utils.prompts.prompt import ELEMENTS, PROMPTS, Prompt, diff_prompts, list_prompts, load_prompt, save_prompt

GREETING = Prompt("greeting", instruction="Greet {{ name }}.", input="Name: {{ name }}", output="Greeting:")
INTENTS = ("delivery", "return", "repair", "product", "payment", "change", "account", "feedback")


def write(folder, text, name="greeting", revision=1):
    """Write a file of the registry, as bytes or text, and return its path."""
    path = folder / name / f"{revision}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def get_text(prompt, /, **variables):
    """Return the text of the only message."""
    (message,) = prompt.render(**variables)
    assert message["role"] == "user"
    return message["content"]


# --- messages ------------------------------------------------------------------------------------------------


def test_a_prompt_has_four_elements():
    assert ELEMENTS == ("instruction", "context", "input", "output")


def test_elements_are_joined_in_order_by_blank_lines_into_one_user_message():
    prompt = Prompt("p", output="Answer:", input="{{ question }}", context="Facts.", instruction="Do it.")
    assert prompt.render(question="Why?") == [{"role": "user", "content": "Do it.\n\nFacts.\n\nWhy?\n\nAnswer:"}]


def test_system_elements_go_into_a_system_message_in_the_order_of_the_elements():
    prompt = Prompt("p", "Do it.", "Facts.", "Why?", "Answer:", system=("context", "instruction"))
    assert prompt.system == ("instruction", "context")
    assert prompt.render() == [
        {"role": "system", "content": "Do it.\n\nFacts."},
        {"role": "user", "content": "Why?\n\nAnswer:"},
    ]


def test_a_prompt_with_nothing_for_the_user_is_a_system_message_alone():
    assert Prompt("p", "Do it.", system=["instruction"]).render() == [{"role": "system", "content": "Do it."}]


def test_elements_that_render_to_whitespace_are_left_out():
    prompt = Prompt("p", "  \n", "{% if fact %}{{ fact }}{% endif %}", "{{ question }}", system=("instruction",))
    assert get_text(prompt, fact="", question="Why?") == "Why?"
    assert get_text(prompt, fact="So.", question="Why?") == "So.\n\nWhy?"


def test_a_prompt_that_renders_to_nothing_raises():
    with pytest.raises(PromptError, match="The prompt p renders to nothing"):
        Prompt("p", "{{ question }}").render(question=" ")


def test_spaces_within_an_element_stay_and_lines_of_commands_leave_none():
    prompt = Prompt("p", context="{% for label in labels %}\n  - {{ label }}\n  {% endfor %}\nEnd ", output="Intent: ")
    assert get_text(prompt, labels=["a", "b"]) == "  - a\n  - b\nEnd \n\nIntent: "


def test_one_line_break_at_the_end_of_a_template_is_dropped():
    assert get_text(Prompt("p", "Do it.\n", "Facts.\n\n")) == "Do it.\n\nFacts.\n"


def test_values_are_not_escaped():
    assert get_text(Prompt("p", "{{ name }}"), name="<b> & 'x'") == "<b> & 'x'"


@pytest.mark.parametrize(
    "value", ["{{ instruction }}", "{% for x in y %}", "{# gone #}", "{{ ''.__class__ }}", "{% endif %}{{", "\r\n{%"]
)
def test_values_are_inserted_literally_and_never_read_as_templates(value):
    assert get_text(Prompt("p", "Do it.", input="Message: {{ message }}"), message=value) == (
        f"Do it.\n\nMessage: {value}"
    )


@pytest.mark.parametrize("name", ["name", "prompt", "dict", "lipsum", "cycler", "input"])
def test_variables_may_have_names_that_python_or_jinja_use(name):
    prompt = Prompt("p", "Say {{ NAME }}.".replace("NAME", name))
    assert get_text(prompt, **{name: "x"}) == "Say x."
    with pytest.raises(PromptError, match=f"lacks a value for {name}"):
        prompt.render()


# --- strict variables ----------------------------------------------------------------------------------------


def test_variables_are_those_of_all_elements_and_no_loop_variables():
    prompt = Prompt("p", "{{ a }}", "{% for x in b %}{{ x.c }}{{ loop.index }}{% endfor %}", "{% if d %}{% endif %}")
    assert prompt.variables == {"a", "b", "d"}
    assert Prompt("p", "{% set e = 1 %}{{ e }}{{ range(3) | list }}").variables == set()


def test_a_missing_variable_is_named_with_the_prompt_and_the_elements_that_want_it():
    prompt = GREETING.replace(context="{{ mood }}")
    with pytest.raises(PromptError) as caught:
        prompt.render()
    assert caught.value.problem == (
        "The prompt greeting lacks a value for mood (in context), name (in instruction and input)."
    )
    assert caught.value.next_step == "Give it: render(mood=…, name=…)."


def test_a_variable_with_a_default_must_be_given_too():
    prompt = Prompt("p", "Be {{ tone | default('kind') }}.")
    with pytest.raises(PromptError, match=r"lacks a value for tone \(in instruction\)"):
        prompt.render()
    assert get_text(prompt, tone="brief") == "Be brief."


def test_an_unknown_variable_is_named_with_the_nearest_and_all_known_ones():
    with pytest.raises(PromptError) as caught:
        GREETING.replace(context="{{ mood }}").render(nam="Ada", mood="good")
    assert caught.value.problem == "The prompt greeting has no variable nam."
    assert caught.value.next_step == "Did you mean name? There is: mood, name."


def test_an_unknown_variable_of_a_prompt_without_any_says_so():
    with pytest.raises(PromptError) as caught:
        Prompt("p", "Do it.").render(message="x")
    assert caught.value.next_step == "There is: none."


def test_a_missing_attribute_raises_and_names_the_element():
    with pytest.raises(PromptError, match=r"The input of the prompt p cannot be rendered: 'str object' has no attrib"):
        Prompt("p", input="{{ message.txet }}").render(message="x")


def test_a_value_none_raises_instead_of_printing_none():
    with pytest.raises(PromptError, match="gives None, not text"):
        Prompt("p", "{{ message }}").render(message=None)
    assert get_text(Prompt("p", "{{ num }}{{ is_x }}"), num=0, is_x=False) == "0False"


# --- faulty templates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "line", "fault"),
    [
        ("{{ a }", 1, "unexpected '}'"),
        ("One\n{{ a", 2, "unexpected end of template"),
        ("One\n\n{% for x in y %}", 3, "Unexpected end of template"),
        ("{# note", 1, "Missing end of comment tag"),
        ("One\n{{ a | nofilter }}", 2, "No filter named 'nofilter'"),
        ("{{ a is nosuch }}", 1, "No test named 'nosuch'"),
        ("{{ a | random }}", 1, "No filter named 'random'"),
        ("{% nonsense %}", 1, "Encountered unknown tag 'nonsense'"),
        ("{% for a in b %}" * 30 + "{% endfor %}" * 30, 1, "too many statically nested blocks"),
    ],
)
@pytest.mark.parametrize("element", ELEMENTS)
def test_a_syntax_error_is_reported_at_construction_with_element_and_line(element, template, line, fault):
    with pytest.raises(PromptError) as caught:
        Prompt("p", **{element: template})
    assert caught.value.problem.startswith(f"The {element} of the prompt p is no template, line {line}: {fault}")


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{{ ''.__class__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ message.__class__.__mro__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ message['__class__'] }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ message | attr('__class__') }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ message[0].__init__.__globals__ }}", "access to attribute '__init__' of 'str' object is unsafe"),
        ("{{ '{0.__class__}'.format(message) }}", "access to attribute '__class__' of 'str' object is unsafe"),
        (
            "{{ '{m.__class__}'.format_map({'m': message}) }}",
            "access to attribute '__class__' of 'str' object is unsafe",
        ),
        ("{{ [message].append(1) }}", "access to attribute 'append' of 'list' object is unsafe"),
        ("{{ message.format_map }}", "an expression gives a function, not text"),
        ("{{ message.upper }}", "an expression gives a builtin_function_or_method, not text"),
        ("{{ message | map('upper') }}", "an expression gives a generator, not text"),
        ("{{ range }}", "an expression gives a function, not text"),
        ("{% include 'other' %}", "no loader for this environment specified"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "maximum recursion depth exceeded"),
        ("{{ 1 / 0 }}", "division by zero"),
    ],
)
def test_the_sandbox_refuses_with_the_element_and_the_reason(template, fault):
    prompt = Prompt("p", context=template)
    with pytest.raises(PromptError) as caught:
        prompt.render(**dict.fromkeys(prompt.variables, "text"))
    assert caught.value.problem.startswith(f"The context of the prompt p cannot be rendered: {fault}")
    assert caught.value.next_step == "Mend the context" + (", or the value of message." if prompt.variables else ".")


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{% for i in range(10**9) %}x{% endfor %}", "blocks ranges of more than 100000 steps in total"),
        ("{% for i in range(10**30) %}x{% endfor %}", ""),
        (
            "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
            "blocks ranges of more than 100000 steps in total",
        ),
        ("{% for i in range(1001) %}{{ 'x' * 1000 }}{% endfor %}", "the text is longer than 1000000 characters"),
        ("{{ 'x' * 10**10 }}", "blocks texts longer than 1000000 characters"),
        ("{{ 10**10 * [1] }}", "blocks texts longer than 1000000 characters"),
        ("{{ 10**100000 }}", "blocks powers of more than 10000 bits"),
    ],
)
def test_huge_loops_and_texts_raise(template, fault):
    with pytest.raises(PromptError, match=f"The input of the prompt p cannot be rendered: .*{fault}"):
        Prompt("p", input=template).render()


def test_what_stays_below_the_limits_renders():
    assert len(get_text(Prompt("p", "{% for i in range(1000) %}{{ 'x' * 1000 }}{% endfor %}"))) == 1_000_000
    assert get_text(Prompt("p", "{{ 2 ** 10 }} {{ 3 * 4 }} {{ range(2, 8, 2) | join(',') }}")) == "1024 12 2,4,6"


@pytest.mark.parametrize("field", ["name", *ELEMENTS, "description"])
def test_a_field_that_is_no_text_raises(field):
    with pytest.raises(PromptError, match=f"{field} of a prompt is 3, not text"):
        Prompt(**{"name": "p"} | {field: 3})


def test_a_system_that_is_no_list_or_names_no_element_raises():
    with pytest.raises(PromptError, match="system of the prompt p is 'instruction'"):
        Prompt("p", system="instruction")
    with pytest.raises(PromptError) as caught:
        Prompt("p", system=("instructions",))
    assert str(caught.value) == (
        "A prompt has no element “instructions”.\n"
        "What to do: Did you mean instruction? There is: context, input, instruction, output."
    )


def test_the_error_is_one_of_the_workbook():
    assert issubclass(PromptError, WorkbookError)
    assert PromptError.__module__ == "llmops_utils.core.errors"


# --- versions and changes ------------------------------------------------------------------------------------


def test_the_version_of_a_known_prompt_never_changes():
    assert GREETING.version == "f49680c5"
    assert Prompt("p", "Grüße ☕", system=("instruction",)).version == "75a0482d"


def test_the_version_is_the_hash_of_the_documented_json():
    canonical = '{"elements":{"context":"","input":"Name: {{ name }}","instruction":"Greet {{ name }}.",'
    canonical += '"output":"Greeting:"},"system":[]}'
    assert GREETING.version == hashlib.sha256(canonical.encode()).hexdigest()[:8]


@pytest.mark.parametrize("change", [{"name": "other"}, {"description": "For Ada."}, {"revision": 7}])
def test_name_description_and_revision_keep_the_version(change):
    assert GREETING.replace(**change).version == GREETING.version


@pytest.mark.parametrize("change", [*({element: "x"} for element in ELEMENTS), {"system": ("instruction",)}])
def test_each_element_and_system_change_the_version(change):
    assert GREETING.replace(**change).version != GREETING.version


def test_the_order_of_system_keeps_the_version():
    versions = {GREETING.replace(system=order).version for order in (("input", "output"), ["output", "input"])}
    assert len(versions) == 1


def test_the_same_text_in_another_element_is_another_version():
    assert Prompt("p", instruction="x").version != Prompt("p", context="x").version


def test_replace_gives_a_new_prompt_without_revision():
    old = Prompt("p", "Do it.", revision=3)
    assert old.replace(context="Facts.") == Prompt("p", "Do it.", "Facts.")
    assert old.revision == 3


def test_replace_of_an_unknown_field_names_the_nearest():
    with pytest.raises(PromptError, match=r"no field “contxt”(?s:.*)Did you mean context\?"):
        GREETING.replace(contxt="x")


def test_without_empties_the_named_elements():
    assert GREETING.without("instruction", "output") == Prompt("greeting", input="Name: {{ name }}")
    assert GREETING.without() == GREETING


@pytest.mark.parametrize("wrong", ["outputs", "name", "system", "revision"])
def test_without_refuses_what_is_no_element(wrong):
    with pytest.raises(PromptError, match=f"A prompt has no element “{wrong}”"):
        GREETING.without(wrong)


# --- the table -----------------------------------------------------------------------------------------------


def test_the_table_shows_name_version_and_each_element_escaped():
    page = Prompt("p", "Use <b> & {{ x }}", system=("instruction",), revision=2)._repr_html_()
    assert Prompt("p", "Use <b> & {{ x }}", system=("instruction",)).version in page
    assert "p " in page
    assert "(revision 2)" in page
    assert '<b>instruction</b><br><span style="opacity:.7">system</span>' in page
    assert '<b>output</b><br><span style="opacity:.7">user</span>' in page
    assert '<pre style="white-space:pre-wrap;margin:0">Use &lt;b&gt; &amp; {{ x }}</pre>' in page
    assert page.count("<tr>") == 4
    assert page.count("<em>(empty)</em>") == 3


def test_show_renders_the_elements_where_variables_are_given():
    table = GREETING.show(name="Ada <3")
    assert table.rows == (
        ("instruction", "user", "Greet Ada <3."),
        ("context", "user", ""),
        ("input", "user", "Name: Ada <3"),
        ("output", "user", "Greeting:"),
    )
    assert "Greet Ada &lt;3." in table._repr_html_()
    assert GREETING.show().rows[0][2] == "Greet {{ name }}."
    with pytest.raises(PromptError, match="has no variable nmae"):
        GREETING.show(nmae="Ada")


def test_the_table_reads_as_plain_text_in_a_terminal():
    assert repr(Prompt("p", "Do it.", "Facts.", "Why?", system=("instruction",)).show()) == (
        "p f19d4d20\n[instruction → system]\nDo it.\n[context → user]\nFacts.\n[input → user]\nWhy?\n[output → user]\n"
    )


# --- the registry --------------------------------------------------------------------------------------------


@pytest.fixture
def registry(tmp_path):
    """A folder with two prompts, one of them in three revisions."""
    for text in ("Greet {{ name }}.", "Greet {{ name }} warmly.", "Welcome {{ name }}."):
        save_prompt(GREETING.replace(instruction=text), tmp_path)
    save_prompt(Prompt("farewell", "Say goodbye.", description="The end."), tmp_path)
    return tmp_path


def test_the_highest_revision_is_the_default(registry):
    prompt = load_prompt("greeting", folder=registry)
    assert (prompt.revision, prompt.instruction) == (3, "Welcome {{ name }}.")


def test_revisions_count_as_numbers_not_as_text(tmp_path):
    for num in (2, 10, 9):
        write(tmp_path, f'instruction = "{num}"', revision=num)
    assert load_prompt("greeting", folder=tmp_path).revision == 10
    assert [prompt.revision for prompt in list_prompts(tmp_path)] == [2, 9, 10]
    assert save_prompt(GREETING, tmp_path).name == "11.toml"


def test_a_number_loads_that_revision(registry):
    assert load_prompt("greeting", 2, registry) == GREETING.replace(instruction="Greet {{ name }} warmly.", revision=2)


def test_a_version_or_its_first_digits_load_that_content(registry):
    version = GREETING.version
    for digits in (version, version[:4], version[:6].upper()):
        assert load_prompt("greeting", digits, registry).revision == 1


def test_a_version_that_stands_in_two_files_loads_the_later(registry):
    (registry / "greeting" / "4.toml").write_bytes((registry / "greeting" / "1.toml").read_bytes())
    assert load_prompt("greeting", GREETING.version, registry).revision == 4
    assert save_prompt(GREETING, registry).name == "4.toml"


def test_an_unknown_name_raises_with_the_nearest_and_all_names(registry):
    with pytest.raises(PromptError) as caught:
        load_prompt("greting", folder=registry)
    assert caught.value.problem == f"There is no prompt “greting” in {registry}."
    assert caught.value.next_step == "Did you mean greeting? There is: farewell, greeting."


@pytest.mark.parametrize("name", ["../greeting", "greeting/../greeting", "", ".", "Greeting"])
def test_a_name_that_is_a_path_is_unknown(registry, name):
    with pytest.raises(PromptError, match="There is no prompt"):
        load_prompt(name, folder=registry)


@pytest.mark.parametrize("version", [4, 0, -1, True, 1.0])
def test_an_unknown_revision_raises_with_those_that_are_there(registry, version):
    there = [f"{num} ({load_prompt('greeting', num, registry).version})" for num in (1, 2, 3)]
    with pytest.raises(PromptError) as caught:
        load_prompt("greeting", version, registry)
    assert caught.value.problem == f"The prompt greeting has no version {version!r}."
    assert caught.value.next_step == f"There is: {', '.join(there)}."


def test_an_unknown_version_raises_with_those_that_are_there(registry):
    with pytest.raises(PromptError, match=r"has no version '00000000'(?s:.*)There is: 1 \("):
        load_prompt("greeting", "00000000", registry)


@pytest.mark.parametrize("digits", ["abc", "", "v2", "3", "xyz12345", "0123456789", "abcd\n"])
def test_too_few_or_other_digits_raise(registry, digits):
    with pytest.raises(PromptError, match="is no version: it has 4 to 8 of the digits 0-9 and a-f"):
        load_prompt("greeting", digits, registry)


def test_digits_that_fit_several_versions_raise(tmp_path):
    by_prefix = {}
    for num in range(10_000):  # two contents whose versions share 4 digits come soon (the birthday problem)
        prompt = Prompt("twin", f"Number {num}.")
        other = by_prefix.setdefault(prompt.version[:4], prompt)
        if other is not prompt:
            break
    save_prompt(other, tmp_path)
    save_prompt(prompt, tmp_path)
    with pytest.raises(PromptError) as caught:
        load_prompt("twin", prompt.version[:4], tmp_path)
    assert caught.value.problem == f"Several versions of the prompt twin begin with {prompt.version[:4]}."
    assert caught.value.next_step == f"Give more digits. There is: 1 ({other.version}), 2 ({prompt.version})."
    assert load_prompt("twin", prompt.version, tmp_path).instruction == prompt.instruction


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('instruction = "a"\ncontext = b\n', "greeting/1.toml, line 2: Invalid value."),
        ('instruction = "a"\ncontext = "b', "greeting/1.toml, line 2: Unterminated string."),
        ("", "greeting/1.toml is empty."),
        ('instruction = " \\n"\ndescription = "x"', "greeting/1.toml is empty."),
        ('instruction = "a"\ncontex = "b"', "greeting/1.toml has an unknown key “contex”."),
        ('instruction = "a"\nname = "b"', "greeting/1.toml has an unknown key “name”."),
        ('instruction = "a"\nrevision = 5', "greeting/1.toml has an unknown key “revision”."),
        ("instruction = 3", "greeting/1.toml: instruction of a prompt is 3, not text."),
        ('[instruction]\na = "b"', "greeting/1.toml: instruction of a prompt is {'a': 'b'}, not text."),
        ('instruction = "a"\ndescription = 1', "greeting/1.toml: description of a prompt is 1, not text."),
        (
            'instruction = "a"\nsystem = "instruction"',
            "greeting/1.toml: system of the prompt greeting is 'instruction'.",
        ),
        ('instruction = "a"\nsystem = [1]', "greeting/1.toml: A prompt has no element “1”."),
        ('instruction = "a"\nsystem = ["name"]', "greeting/1.toml: A prompt has no element “name”."),
        (
            'instruction = "a"\ninput = """\nb\n{{ c }"""',
            "greeting/1.toml: The input of the prompt greeting is no template, line 2: unexpected '}'.",
        ),
        ('instruction = "Grüße"'.encode("latin-1"), "greeting/1.toml is not UTF-8 text."),
        ('instruction = "a"'.encode("utf-16"), "greeting/1.toml is not UTF-8 text."),
    ],
)
def test_a_malformed_file_raises_with_its_place(tmp_path, text, said):
    write(tmp_path, text)
    with pytest.raises(PromptError) as caught:
        load_prompt("greeting", folder=tmp_path)
    assert caught.value.problem == said
    with pytest.raises(PromptError):
        list_prompts(tmp_path)


def test_an_unknown_key_comes_with_the_nearest(tmp_path):
    write(tmp_path, 'instructions = "a"')
    with pytest.raises(PromptError, match=r"Did you mean instruction\? There is: context, description, input, "):
        load_prompt("greeting", folder=tmp_path)


def test_a_file_with_another_name_than_a_number_raises(registry):
    write(registry, 'instruction = "a"', revision="v2")
    with pytest.raises(PromptError, match=r"greeting/v2\.toml is no revision(?s:.*)Name the files 1\.toml"):
        load_prompt("greeting", folder=registry)
    assert load_prompt("farewell", folder=registry).revision == 1


def test_a_broken_revision_does_not_hide_the_others(registry):
    write(registry, "broken", revision=1)
    assert load_prompt("greeting", folder=registry).revision == 3
    assert load_prompt("greeting", 2, registry).revision == 2


def test_windows_line_ends_and_a_byte_order_mark_keep_the_version(tmp_path):
    prompt = GREETING.replace(context="One\nTwo\n")
    path = save_prompt(prompt, tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_prompt("greeting", folder=tmp_path).version == prompt.version


def test_all_prompts_are_listed_by_name_and_revision(registry):
    (registry / ".ipynb_checkpoints").mkdir()
    (registry / "README.md").write_text("Prompts.")
    (registry / "nothing").mkdir()
    found = [(prompt.name, prompt.revision) for prompt in list_prompts(registry)]
    assert found == [("farewell", 1), ("greeting", 1), ("greeting", 2), ("greeting", 3)]


def test_a_registry_that_is_not_there_yet_lists_nothing_and_knows_no_name(tmp_path):
    assert list_prompts(tmp_path / "new") == []
    with pytest.raises(PromptError, match="There is: none"):
        load_prompt("greeting", folder=tmp_path / "new")


def test_saving_writes_the_next_revision_and_returns_its_path(tmp_path):
    assert save_prompt(GREETING, tmp_path / "new") == tmp_path / "new" / "greeting" / "1.toml"
    assert save_prompt(GREETING.replace(output="Hi:"), tmp_path / "new").name == "2.toml"
    assert sorted(path.name for path in (tmp_path / "new" / "greeting").iterdir()) == ["1.toml", "2.toml"]


def test_saving_the_same_content_again_returns_its_file_and_writes_nothing(registry):
    def list_files():
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in registry.rglob("*") if path.is_file()}

    before = list_files()
    assert save_prompt(GREETING.replace(description="Said otherwise."), registry) == registry / "greeting" / "1.toml"
    assert list_files() == before


def test_the_same_content_under_another_name_is_saved(registry):
    assert save_prompt(GREETING.replace(name="hello"), registry) == registry / "hello" / "1.toml"
    assert load_prompt("hello", folder=registry).version == GREETING.version


@pytest.mark.parametrize("name", ["", "Greeting", "2nd", "a b", "a-b", "../a", "grüße", "a\n", "_a"])
def test_a_name_that_cannot_be_a_folder_is_not_saved(tmp_path, name):
    with pytest.raises(PromptError, match="cannot name a prompt"):
        save_prompt(GREETING.replace(name=name), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_prompt_is_not_saved(tmp_path):
    with pytest.raises(PromptError, match="The prompt greeting is empty"):
        save_prompt(GREETING.without(*ELEMENTS), tmp_path)


def test_half_a_character_is_not_saved(tmp_path):
    with pytest.raises(PromptError, match="holds half a character"):
        save_prompt(Prompt("p", "\ud800"), tmp_path)
    assert list(tmp_path.rglob("*.*")) == []


def test_a_save_that_fails_leaves_no_file(tmp_path, monkeypatch):
    def fail(*paths):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        save_prompt(GREETING, tmp_path)
    assert list((tmp_path / "greeting").iterdir()) == []


def test_a_file_is_readable_toml(tmp_path):
    prompt = Prompt(
        "p", 'Say "hi".', "One\n\\d\n", "{{ message }}", "It's ''' here\nC:\\x\t\r", ("instruction",), "For people."
    )
    assert save_prompt(prompt, tmp_path).read_bytes().decode("utf-8") == (
        'description = "For people."\n'
        'system = ["instruction"]\n'
        "instruction = '''\nSay \"hi\".'''\n"
        "context = '''\nOne\n\\d\n'''\n"
        'input = "{{ message }}"\n'
        'output = """\nIt\'s \'\'\' here\nC:\\\\x\t\\r"""\n'
    )


PIECES = ["'", "''", "'''", '"', '"""', "\\", "\\n", "\\u0022", "\n", "\n\n", "\r", "\r\n", "\t", " ", "#", "=", "[x]"]
PIECES += ["word", "é", "日本", "😀", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "e\u0301", "}", "{{ x }}"]


@pytest.mark.parametrize("seed", range(8))
def test_any_text_survives_the_file_exactly(tmp_path, seed):
    chance = random.Random(seed)
    for _ in range(60):
        texts = ["".join(chance.choices(PIECES, k=chance.randrange(8))) for _ in range(5)]
        prompt = Prompt("p", *texts[:4], system=chance.sample(ELEMENTS, 2), description=texts[4])
        prompt = prompt.replace(input=prompt.input + "x", name=f"p{chance.getrandbits(60)}")
        save_prompt(prompt, tmp_path)
        found = load_prompt(prompt.name, folder=tmp_path)
        assert found == prompt.replace(revision=1)
        assert found.version == prompt.version


@pytest.mark.parametrize("text", [*PIECES, *(piece + "x" for piece in PIECES), *("x" + piece for piece in PIECES)])
def test_each_troublesome_piece_survives_the_file_exactly(tmp_path, text):
    save_prompt(Prompt("p", "Do it.", context=text), tmp_path)
    assert load_prompt("p", folder=tmp_path).context == text


# --- the diff ------------------------------------------------------------------------------------------------


DEL = '<del style="color:inherit;background:rgba(220,50,50,.25);text-decoration:line-through">'
INS = '<ins style="color:inherit;background:rgba(40,160,80,.25);text-decoration:underline">'
NEW = GREETING.replace(instruction="Greet {{ name }} warmly\nin one line.", output="")


def test_the_diff_reads_as_plain_text_with_plus_and_minus():
    expected = (
        "--- greeting f49680c5\n"
        "+++ greeting 46a6eedf\n"
        "@@ instruction @@\n"
        "-Greet {{ name }}.\n"
        "+Greet {{ name }} warmly\n"
        "+in one line.\n"
        "@@ context: unchanged @@\n"
        "@@ input: unchanged @@\n"
        "@@ output @@\n"
        "-Greeting:\n"
        "@@ system: unchanged @@"
    )
    assert str(diff_prompts(GREETING, NEW)) == expected
    assert repr(diff_prompts(GREETING, NEW)) == expected


def test_the_plain_diff_keeps_unchanged_lines_around_and_shows_line_ends():
    lines = [f"line {num}" for num in range(9)]
    old = Prompt("p", "\n".join(lines))
    new = Prompt("p", "\n".join(["first", *lines[1:]]) + "\n", context="a\r")
    assert str(diff_prompts(old, new)).split("\n")[2:] == [
        "@@ instruction @@",
        "-line 0",
        "+first",
        *(f" line {num}" for num in range(1, 9)),
        "+",
        "@@ context @@",
        "+a␍",
        "@@ input: unchanged @@",
        "@@ output: unchanged @@",
        "@@ system: unchanged @@",
    ]


def test_the_diff_names_what_changed():
    assert diff_prompts(GREETING, NEW).changed == ("instruction", "output")
    assert diff_prompts(GREETING, GREETING.replace(system=["input"], name="other")).changed == ("system",)
    assert diff_prompts(GREETING, GREETING).changed == ()


def test_the_diff_marks_removed_and_added_words_in_place():
    old = Prompt("p", "Answer the question in one word.", revision=1)
    new = Prompt("p", "Answer my question in one short word.", revision=2)
    page = diff_prompts(old, new)._repr_html_()
    assert f"p {old.version} (revision 1) → p {new.version} (revision 2)" in page
    marked = f"Answer {DEL}the</del>{INS}my</ins> question in one {INS}short </ins>word."
    cell = "<td style='text-align:left;vertical-align:top;white-space:pre-wrap'>"
    assert f"{cell}<b>instruction</b></td>{cell}{marked}</td>" in page
    assert page.count('<span style="opacity:.6">unchanged</span>') == 4


def test_neighbouring_changed_words_are_marked_as_one():
    page = diff_prompts(Prompt("p", "Say it in a few words."), Prompt("p", "Say it with much detail words."))
    assert f"Say it {DEL}in a few</del>{INS}with much detail</ins> words." in page._repr_html_()


def test_a_changed_line_break_is_visible():
    page = diff_prompts(Prompt("p", "One two"), Prompt("p", "One\ntwo"))._repr_html_()
    assert f"One{DEL} </del>{INS}↵\n</ins>two" in page


def test_an_emptied_element_is_struck_through_whole():
    page = diff_prompts(GREETING, NEW)._repr_html_()
    assert f"pre-wrap'>{DEL}Greeting:</del></td>" in page


def test_the_diff_escapes_all_texts():
    page = diff_prompts(Prompt("<i>", "a <b> c"), Prompt("<u>", "a <s> c", "<script>"))._repr_html_()
    for tag in ("<i>", "<u>", "<b> c", "<s>", "<script>"):
        assert tag not in page
    assert f"a {DEL}&lt;b&gt;</del>{INS}&lt;s&gt;</ins> c" in page


@pytest.mark.parametrize("seed", range(5))
def test_the_marked_words_hold_both_texts_completely(seed):
    chance = random.Random(seed)
    for _ in range(100):
        old, new = ("".join(chance.choices(["a", "b", " ", "\n", "<", " c "], k=chance.randrange(12))) for _ in "12")
        page = diff_prompts(Prompt("p", old), Prompt("p", new))._repr_html_()
        found = re.search(r"<b>instruction</b></td><td[^>]*>(.*?)</td>", page, re.DOTALL)
        if old == new:
            assert "unchanged" in found[1]
            continue
        body = found[1].replace("↵", "")
        without_added = re.sub(r"<ins .*?</ins>", "", body, flags=re.DOTALL)
        without_removed = re.sub(r"<del .*?</del>", "", body, flags=re.DOTALL)
        texts = [html.unescape(re.sub(r"</?(del|ins)[^>]*>", "", text)) for text in (without_added, without_removed)]
        assert texts == [old, new]


# --- the prompts of the course -------------------------------------------------------------------------------


def test_all_prompts_of_the_course_load_and_are_named_by_their_folder():
    prompts = list_prompts()
    assert "classify_intent" in {prompt.name for prompt in prompts}
    assert all(prompt.description for prompt in prompts)


def test_the_first_intent_prompt_is_the_one_that_was_measured():
    prompt = load_prompt("classify_intent", 1)
    assert prompt.version == "414b71ae"
    assert prompt.variables == {"message"}
    text = get_text(prompt, message="Where is my kettle?")
    assert text.endswith("\n\nMessage: Where is my kettle?\n\nIntent:")
    assert [line.split(":")[0][2:] for line in prompt.context.split("\n")[1:]] == list(INTENTS)
    assert PROMPTS.name == "prompts"


def test_importing_the_module_does_not_load_jinja():
    code = "import sys, llmops_utils.prompts.prompt; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
