"""Claims about the registry: revisions and versions are found, files round-trip, malformed ones are named."""

import random
import subprocess
import sys

import pytest

from llmops_utils.core import PromptError, WorkbookError
from llmops_utils.prompts import Prompt, list_prompts, load_prompt, save_prompt

GREETING = Prompt("greeting", instruction="Greet {{ name }}.", input="Name: {{ name }}", output="Greeting:")


def write(folder, text, revision=1):
    """Write a revision of the greeting, as bytes or text."""
    path = folder / "greeting" / f"{revision}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))


@pytest.fixture
def registry(tmp_path):
    """A folder with two prompts, one of them in three revisions."""
    for text in ("Greet {{ name }}.", "Greet {{ name }} warmly.", "Welcome {{ name }}."):
        save_prompt(GREETING.replace(instruction=text), tmp_path)
    save_prompt(Prompt("farewell", "Say goodbye.", description="The end."), tmp_path)
    return tmp_path


def test_the_highest_revision_is_the_default_and_a_number_loads_another(registry):
    assert load_prompt("greeting", 2, registry) == GREETING.replace(instruction="Greet {{ name }} warmly.", revision=2)
    write(registry, "broken")  # hides no other
    write(registry, 'instruction = "10"', 10)
    for revision in (10, 2):
        assert load_prompt("greeting", revision, registry).revision == revision
    assert load_prompt("greeting", folder=registry).instruction == "10"
    assert save_prompt(GREETING.replace(output="Hi:"), registry.with_name("new")).name == "1.toml"


def test_a_version_or_its_first_digits_load_the_latest_file_with_that_content(registry):
    version = GREETING.version
    for digits in (version, version[:4], version[:6].upper()):
        assert load_prompt("greeting", digits, registry).revision == 1
    (registry / "greeting" / "4.toml").write_bytes((registry / "greeting" / "1.toml").read_bytes())
    assert load_prompt("greeting", version, registry).revision == 4
    assert save_prompt(GREETING, registry).name == "4.toml"


def test_an_unknown_name_raises_with_the_nearest_and_all_names(registry):
    with pytest.raises(PromptError) as caught:
        load_prompt("greting", folder=registry)
    assert caught.value.problem == f"There is no prompt “greting” in {registry}."
    assert caught.value.next_step == "Did you mean greeting? There is: farewell, greeting."
    for path in ("../greeting", "greeting/../greeting", "", ".", "Greeting"):
        with pytest.raises(PromptError, match="There is no prompt"):
            load_prompt(path, folder=registry)


def test_an_unknown_version_raises_with_those_that_are_there(registry):
    there = [f"{num} ({load_prompt('greeting', num, registry).version})" for num in (1, 2, 3)]
    for version in (4, 0, -1, True, 1.0, "00000000", "abc", "", "v2", "3", "xyz12345", "0123456789", "abcd\n"):
        with pytest.raises(PromptError) as caught:
            load_prompt("greeting", version, registry)
        assert caught.value.problem == f"The prompt greeting has no version {version!r}."
        assert caught.value.next_step == f"Give a number, or 4 to 8 digits. There is: {', '.join(there)}."


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


MALFORMED = [
    ('instruction = "a"\ncontext = b\n', " cannot be read: Invalid value (at line 2, column 11)."),
    ('instruction = "a"\ncontext = "b', " cannot be read: Unterminated string (at end of document)."),
    ('instruction = "a"\ncontex = "b"', " has an unknown key “contex”."),
    ('instruction = "a"\nname = "b"', " has an unknown key “name”."),
    ("instruction = 3", ": instruction of a prompt is 3, not text."),
    ('instruction = "a"\nsystem = [1]', ": A prompt has no element “1”."),
    ('input = """\nb\n{{ c }"""', ": The input of the prompt greeting is no template, line 2: unexpected '}'."),
    (
        'instruction = "a"'.encode("utf-16"),
        " cannot be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte.",
    ),
]


def test_a_malformed_file_or_one_nested_too_deep_or_too_large_raises_with_its_place(tmp_path):
    for text, said in MALFORMED:
        write(tmp_path, text)
        with pytest.raises(PromptError) as caught:
            load_prompt("greeting", folder=tmp_path)
        assert caught.value.problem == "greeting/1.toml" + said
    write(tmp_path, 'instruction = "a"', "v2")
    with pytest.raises(PromptError, match=r"greeting/v2\.toml is no revision(?s:.*)Name the files 1\.toml"):
        load_prompt("greeting", folder=tmp_path)
    (tmp_path / "greeting" / "v2.toml").unlink()
    for text in ("input = " + "[" * 100_000, "x" * 1_000_001):
        write(tmp_path, text)
        with pytest.raises(WorkbookError, match=r"1\.toml (cannot be read|has 1\.0 MB)"):
            load_prompt("greeting", folder=tmp_path)
    write(tmp_path, 'instructions = "a"')
    with pytest.raises(PromptError, match=r"Did you mean instruction\? There is: context, description, input, "):
        load_prompt("greeting", folder=tmp_path)


def test_all_prompts_are_listed_by_name_and_revision(registry):
    (registry / ".ipynb_checkpoints").mkdir()
    (registry / "README.md").write_text("Prompts.")
    (registry / "nothing").mkdir()
    found = [(prompt.name, prompt.revision) for prompt in list_prompts(registry)]
    assert found == [("farewell", 1), ("greeting", 1), ("greeting", 2), ("greeting", 3)]
    assert list_prompts(registry / "new") == []


def test_saving_writes_the_next_revision_and_the_same_content_only_once(registry):
    assert save_prompt(GREETING.replace(name="hello"), registry) == registry / "hello" / "1.toml"
    assert save_prompt(GREETING.replace(output="Hi:"), registry).name == "4.toml"
    files = {path: path.stat().st_mtime_ns for path in registry.rglob("*") if path.is_file()}
    assert save_prompt(GREETING.replace(description="Said otherwise."), registry) == registry / "greeting" / "1.toml"
    assert {path: path.stat().st_mtime_ns for path in registry.rglob("*") if path.is_file()} == files
    assert load_prompt("hello", folder=registry).version == GREETING.version


def test_prompts_saved_at_the_same_time_are_all_kept(tmp_path):
    code = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from llmops_utils.prompts import Prompt, save_prompt
with ThreadPoolExecutor(2) as pool:
    texts = [f"{letter} {num}" for letter in sys.argv[2] for num in range(5)]
    list(pool.map(lambda text: save_prompt(Prompt("p", text), Path(sys.argv[1])), texts))
"""
    processes = [subprocess.Popen([sys.executable, "-c", code, tmp_path, letters]) for letters in ("ab", "cd")]
    assert [process.wait(60) for process in processes] == [0, 0]
    saved = list_prompts(tmp_path)
    assert sorted(prompt.instruction for prompt in saved) == sorted(f"{a} {num}" for a in "abcd" for num in range(5))
    assert [prompt.revision for prompt in saved] == list(range(1, 21))


def test_a_name_that_cannot_be_a_folder_is_not_saved(tmp_path):
    for name in ("", "A", "2nd", "a b", "a-b", "../a", "grüße", "a\n", "_a"):
        with pytest.raises(PromptError, match="cannot name a prompt"):
            save_prompt(GREETING.replace(name=name), tmp_path)
    assert list(tmp_path.iterdir()) == []


PIECES = ["'", "''", "'''", '"', '"""', "\\", "\\n", "\\u0022", "\n", "\n\n", "\r", "\r\n", "\t", " ", "#", "=", "[x]"]
PIECES += ["word", "é", "日本", "😀", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "e\u0301", "}", "{{ x }}"]


def test_a_file_is_readable_toml_and_any_text_survives_it_exactly_and_with_windows_line_ends(tmp_path):
    path = save_prompt(Prompt("p", 'Say "hi".', "One\n\\d\n", system=("instruction",)), tmp_path)
    elements = "instruction = \"Say \\\"hi\\\".\"\ncontext = '''\nOne\n\\d\n'''\n"
    assert path.read_text("utf-8") == f'system = ["instruction"]\n{elements}'
    chance = random.Random(0)
    texts = [*PIECES, *(piece + "x" for piece in PIECES), *("x" + piece for piece in PIECES)]
    texts += ["".join(chance.choices(PIECES, k=chance.randrange(8))) for _ in range(60)]
    for start in range(0, len(texts), 4):
        instruction, context, input, description = (texts[start : start + 4] + ["x"] * 3)[:4]
        prompt = Prompt(f"p{start}", instruction, context, input + "x", system=("context",), description=description)
        path = save_prompt(prompt, tmp_path)
        found = load_prompt(prompt.name, folder=tmp_path)
        assert (found, found.version) == (prompt.replace(revision=1), prompt.version)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
        assert load_prompt(prompt.name, folder=tmp_path).version == prompt.version


def test_all_prompts_of_the_course_load_and_the_first_one_is_that_which_was_measured():
    assert [prompt.label for prompt in list_prompts() if not prompt.description] == []
    assert load_prompt("classify_intent", 1).version == "414b71ae"
