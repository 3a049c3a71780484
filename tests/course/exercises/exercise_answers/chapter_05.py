"""Answers to the exercises of chapter 05: wrong ones with what they are told, other right ones, and a model for them."""

from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

from llmops_utils.datasets import load_messages
from llmops_utils.prompts import ELEMENTS, Prompt

FEELINGS = {message.text: message.sentiment for message in load_messages()}


class FeelingModel:
    """Answers right where the prompt shows both feelings with their right labels; else always negative."""

    provider = SimpleNamespace(id="embedded")

    def chat_each(self, prompts, **options):
        return [SimpleNamespace(text=self._answer(prompt)) for prompt in prompts]

    def _answer(self, messages):
        everything = "\n".join(message["content"] for message in messages)
        asked = max(FEELINGS, key=lambda text: (everything.rfind(text), len(text)))
        lines = everything.splitlines()
        shown = {
            word
            for line, following in pairwise(lines)
            for word in ("negative", "positive")
            if word in following and any(text in line and FEELINGS[text] == word for text in FEELINGS)
        }
        return FEELINGS[asked] if shown == {"negative", "positive"} else "negative"


# What the notebook has defined when an answer is checked.
NAMES = {"model": FeelingModel(), "load_messages": load_messages, "Prompt": Prompt, "ELEMENTS": ELEMENTS}


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


def _with_shots(shots: str, label: str = "shot.sentiment", last: str = "{{ message }}") -> str:
    return (
        f"shots = {shots}\n"
        f"examples = '\\n'.join(f'{{shot.text}}\\nFeeling: {{{label}}}' for shot in shots)\n"
        f"feeling_prompt = Prompt('p', 'Negative or positive?', examples, '{last}', 'Feeling:')"
    )


WRONG = {
    "05.1": [
        Slip(
            "the bare message",
            "feeling_prompt = Prompt('p', input='{{ message }}')",
            "12 of 24 held-back messages are right; 17 are needed. All replies are the same",
        ),
        Slip(
            "an instruction alone",
            "feeling_prompt = Prompt('p', 'Negative or positive?', input='{{ message }}', output='Feeling:')",
            "12 of 24",
        ),
        Slip(
            "examples of one feeling",
            _with_shots("[m for m in load_messages('shots') if m.sentiment == 'positive'][:4]"),
            "12 of 24",
        ),
        Slip("examples with the wrong labels", _with_shots("load_messages('shots')[:30]", "shot.intent"), "12 of 24"),
        Slip(
            "the message is forgotten",
            _with_shots("[m for m in load_messages('shots') if m.sentiment != 'neutral'][:8]", last=""),
            "Its variables are: none",
        ),
        Slip(
            "another variable",
            _with_shots("[m for m in load_messages('shots') if m.sentiment != 'neutral'][:8]", last="{{ text }}"),
            "Its variables are: text",
        ),
        Slip(
            "the held-back messages as examples",
            _with_shots("[m for m in load_messages('dev') if m.sentiment != 'neutral']"),
            "stands among the examples",
        ),
        Slip(
            "the messages of a prompt",
            "feeling_prompt = Prompt('p', 'Negative or positive?', input='{{ m }}').render(m='Hello')",
            "This is a list",
        ),
        Slip("a text", "feeling_prompt = 'Is this negative or positive? {{ message }}'", "This is a str"),
        Slip(
            "a template that cannot be filled",
            "feeling_prompt = Prompt('p', 'Negative or positive?', input='{{ message.text }}')",
            "It cannot be rendered",
        ),
    ],
    "05.2": [
        Slip(
            "those that are there",
            "def find_missing(prompt):\n    return [name for name in ELEMENTS if getattr(prompt, name).strip()]",
            "it returned instruction, context, input, output",
        ),
        Slip(
            "white space counts as text",
            "def find_missing(prompt):\n    return [name for name in ELEMENTS if not getattr(prompt, name)]",
            "it returned nothing",
        ),
        Slip(
            "only the first",
            "def find_missing(prompt):\n"
            "    return [name for name in ELEMENTS if not getattr(prompt, name).strip()][:1]",
            "it returned instruction.",
        ),
        Slip(
            "the alphabet",
            "def find_missing(prompt):\n"
            "    return sorted(name for name in ELEMENTS if not getattr(prompt, name).strip())",
            "another order",
        ),
        Slip(
            "how many",
            "def find_missing(prompt):\n    return sum(not getattr(prompt, name).strip() for name in ELEMENTS)",
            "It returned a int",
        ),
        Slip(
            "a set",
            "def find_missing(prompt):\n    return {name for name in ELEMENTS if not getattr(prompt, name).strip()}",
            "It returned a set",
        ),
        Slip(
            "other names",
            "def find_missing(prompt):\n"
            "    names = {'instruction': 'instruction', 'context': 'context', 'input': 'input data', 'output': 'output'}\n"
            "    return [names[name] for name in ELEMENTS if not getattr(prompt, name).strip()]",
            "'input data', which is none of the elements",
        ),
    ],
    "05.3": [
        Slip(
            "a share",
            "def compute_points(a, b, s, t):\n    return None if t <= s else 100 * (b - a) / (t - s)",
            "A point is a hundredth",
        ),
        Slip(
            "the wrong way round",
            "def compute_points(a, b, s, t):\n    return None if t <= s else 10000 * (a - b) / (t - s)",
            "sign is the wrong way round",
        ),
        Slip(
            "divides by all tokens",
            "def compute_points(a, b, s, t):\n    return None if t <= s else 10000 * (b - a) / t",
            "it returned 12.5, and 25 is right",
        ),
        Slip(
            "nothing is zero",
            "def compute_points(a, b, s, t):\n    return 0 if t <= s else 10000 * (b - a) / (t - s)",
            "no such rate",
        ),
        Slip(
            "never loses",
            "def compute_points(a, b, s, t):\n    return None if t <= s else max(0, 10000 * (b - a) / (t - s))",
            "and -5 is right",
        ),
        Slip(
            "a negative number of tokens",
            "def compute_points(a, b, s, t):\n    return None if t == s else 10000 * (b - a) / (t - s)",
            "no such rate",
        ),
        Slip(
            "a text",
            "def compute_points(a, b, s, t):\n    return None if t <= s else f'{10000 * (b - a) / (t - s)}'",
            "It returned a str",
        ),
    ],
}

ALSO_RIGHT = {
    "05.1": [
        _with_shots("[m for m in load_messages('shots') if m.sentiment != 'neutral'][:20]"),
        _with_shots("[m for m in load_messages('shots')][:20]") + ".replace(system=['context'], output='')",
    ],
    "05.2": [
        "def find_missing(prompt):\n"
        "    missing = ()\n"
        "    for name in ('instruction', 'context', 'input', 'output'):\n"
        "        if getattr(prompt, name).strip() == '':\n"
        "            missing += (name,)\n"
        "    return missing",
    ],
    "05.3": [
        "def compute_points(a, b, s, t):\n    return (b - a) * 100 / ((t - s) / 100) if t > s else None",
    ],
}

RAISING = {
    "05.2": [
        (
            "def find_missing(prompt):\n    return [name for name in ELEMENTS if not prompt[name]]",
            "TypeError",
            "Prompt(name='p'",
        )
    ],
    "05.3": [
        (
            "def compute_points(a, b, s, t):\n    return 10000 * (b - a) / (t - s)",
            "ZeroDivisionError",
            "(0.5, 0.6, 100, 100)",
        )
    ],
}
