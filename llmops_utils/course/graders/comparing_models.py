"""Graders of lessons 03.1 to 03.3: kinds of models, what a system costs, what fits, how open it is."""

from numbers import Integral, Real

from ...choosing import predict_memory
from ...datasets import INTENTS, load_messages
from ...models import load_catalog
from .checks import Wrong, check_cases, check_names, grades, is_right, show

LEAST_SORTED = 1 / 3  # of the test messages; guessing among eight gets so far in less than one of 10 ** 15 cases
MOST_WORDS = 12


@grades("03_1.2")
def _grade_words(words) -> str:
    form = f"Make a dict with a list of 1 to {MOST_WORDS} texts for each of {', '.join(INTENTS)}."
    check_names(words, INTENTS, form)
    for intent, listed in words.items():
        is_list = isinstance(listed, list | tuple) and 1 <= len(listed) <= MOST_WORDS
        if not is_list or not all(isinstance(word, str) and word.strip() and word == word.lower() for word in listed):
            raise Wrong(f"For {intent} there is {show(listed)}. {form} They are in small letters.")
    messages = [message for message in load_messages() if message.split == "test"]
    num_right = sum(_sort(message.text.lower(), words) == message.intent for message in messages)
    told = f"Your words sort {num_right} of {len(messages)} test messages, {num_right / len(messages):.0%}."
    if num_right < LEAST_SORTED * len(messages):
        raise Wrong(f"{told} One third is asked for.")
    return f"{told} You gave no label for that, only what you know of customers."


def _sort(text: str, words: dict) -> str:
    found = {intent: sum(word in text for word in listed) for intent, listed in words.items()}
    return max(found, key=found.__getitem__) if any(found.values()) else "feedback"


@grades("03_2.1")
def _grade_system(function) -> None:
    def explain(found, expected, systems, least, most_s, most_mb) -> str:
        chosen = next((one for one in systems if one["name"] == found), None)
        if chosen is None:
            return "One of the systems meets the brief." if expected else "None of the systems meets the brief."
        if chosen["low"] < least or chosen["seconds"] > most_s or chosen["mb"] > most_mb:
            return "This one is not shown to meet the brief."
        return "Another one that meets the brief needs fewer labels, or as many and less memory."

    def tell(systems, least, most_s, most_mb) -> str:
        names = ", ".join(f"{one['name']}: {list(one.values())[1:]}" for one in systems)
        return f"the brief {least}, {most_s} s, {most_mb} MB and the systems ({names})"

    keys = ("name", "low", "seconds", "mb", "labels")
    figures = [("count", 0.53, 0.01, 1, 1456), ("shots", 0.25, 0.5, 145, 8), ("tuned", 0.6, 0.2, 150, 1456)]
    figures += [("large", 0.8, 1.5, 5000, 0), ("hosted", 0.8, 0.9, 0, 0)]
    systems = [dict(zip(keys, row, strict=True)) for row in figures]
    cases = [
        ((systems, 0.5, 1.0, 200), "hosted"),
        ((systems, 0.2, 0.5, 200), "shots", "half a second is within the brief"),
        ((systems[:3], 0.5, 1.0, 200), "count", "two need as many labels"),
        ((systems[:3], 0.6, 1.0, 200), "tuned", "0.6 is at least 0.6"),
        ((systems[:4], 0.7, 1.0, 200), None),
        ((systems[:1], 0.5, 0.01, 1), "count"),
        (([], 0.5, 1.0, 200), None),
    ]
    check_cases(function, cases, str | None, "a name, or None", given=tell, explain=explain, keeps=True)


@grades("03_2.2")
def _grade_wait(function) -> None:
    def explain(found, expected, prompt, kept, reply, reading, writing) -> str:
        if not is_right(found[0], expected[0]):
            return "The time to the first token is not right: only what is new is read."
        return "The time to the last token is not right: the first one came with the reading."

    cases = [
        ((300, 0, 41, 150, 40), (2.0, 3.0)),
        ((300, 270, 41, 150, 40), (0.2, 1.2)),
        ((100, 0, 1, 50, 10), (2.0, 2.0), "a reply of one token is there when the prompt is read"),
        ((800, 800, 11, 400, 20), (0.0, 0.5)),
    ]
    form = "two numbers: seconds to the first token, and to the last"
    check_cases(function, cases, tuple | list, form, explain=explain)


@grades("03_3.1")
def _grade_slots(function) -> None:
    def explain(found, expected, free_mb, weights_mb, runtime_mb, cache_mb) -> str:
        if found < 0:
            return "There are no fewer than none."
        return "Weights and runtime are needed once, and only whole requests count."

    cases = [
        ((8000, 2500, 100, 1200), 4),
        ((8000, 2500, 700, 1200), 4, "four caches of 1,200 MB fill it exactly"),
        ((5000, 2500, 200, 1200), 1),
        ((1000, 2500, 100, 1200), 0),
        ((3000, 2500, 100, 1200), 0),
        ((2000.5, 145, 50.5, 100), 18),
    ]
    check_cases(function, cases, Integral | Real, "a whole number", explain=explain)


@grades("03_3.2")
def _grade_fitting(names) -> None:
    shaped = {one.name: one for one in load_catalog().local.values() if one.layers and not one.base}
    if not isinstance(names, list | tuple | set) or not all(isinstance(name, str) for name in names):
        raise Wrong(f"It is {show(names)}. Make a list of names.")
    if unknown := sorted(set(names) - set(shaped)):
        raise Wrong(f"{show(unknown[0])} is no name in `shaped`.")
    for name, one in shaped.items():
        need = predict_memory(one, 4 * 4096, 100e6).total_bytes / 1e6
        is_free = one.licence in ("Apache-2.0", "MIT License")
        if name in names and need > 4000:
            raise Wrong(f"{name} needs {need:,.0f} MB.")
        if name in names and not is_free:
            raise Wrong(f"{name} is under another licence: {one.licence}.")
        if name not in names and need <= 4000 and is_free:
            raise Wrong("At least one that fits, and may be used for anything, is missing.")
