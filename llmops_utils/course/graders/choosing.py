"""Graders of chapter 03: kinds, costs and openness of models, licences, refusals, cards, the decision."""

from difflib import SequenceMatcher
from numbers import Integral, Real

from ...choosing import predict_memory
from ...datasets import INTENTS, load_messages
from ...models import load_catalog
from .checks import Wrong, call_learner, check_cases, check_names, grades, is_of, is_right, show

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


@grades("03_4.1")
def _grade_prices(function) -> None:
    prices = {"read": 0.3, "cached": 0.03, "written": 2.5}

    def price(repeated, own, written, prices, least) -> float:
        kind = "cached" if repeated >= least else "read"
        return (repeated * prices[kind] + own * prices["read"] + written * prices["written"]) / 1000

    def explain(found, expected, repeated, own, written, prices, least) -> str:
        full = price(repeated, own, written, prices, float("inf"))
        remarks = {
            expected * 1e3: "Prices are for a million tokens.",
            expected * 1e6: "Prices are for a million tokens.",
            expected / 1e3: "This is the price of one message.",
            full: "From the line on, what is repeated is cached.",
            price(repeated, own, written, prices, 0): "Below the line nothing is cached.",
        }
        return next((told for value, told in remarks.items() if is_right(found / value, 1.0, 1e-6)), "")

    asked = [(400, 20, 3, prices, 1024), (1300, 20, 3, prices, 1024), (1024, 50, 40, prices, 1024)]
    asked += [(500, 30, 2, {"read": 4.0, "cached": 0.2, "written": 20.0}, 512), (2000, 30, 2, prices, 2048)]
    cases = [(arguments, price(*arguments)) for arguments in asked]
    check_cases(function, cases, Real, "dollars for 1,000 messages", explain=explain)


@grades("03_4.2")
def _grade_bills(function) -> None:
    def explain(found, expected, requests, usd_per_request, usd_per_hour, requests_per_hour) -> str:
        if not is_right(found[0], expected[0]):
            return "The first number, the provider's bill, is not right."
        if found[1] < 700 * usd_per_hour:
            return "A server that waits for work costs as much as one that works; one always runs."
        return "The second number is not right: servers come whole, and a month has 730 hours."

    cases = [
        ((1_000_000, 0.001, 1.0, 5000), (1000.0, 730.0)),
        ((10_000_000, 0.0001, 1.0, 5000), (1000.0, 2190.0)),
        ((7_300_000, 0.0002, 0.5, 5000), (1460.0, 730.0)),
        ((10, 0.001, 1.0, 5000), (0.01, 730.0)),
        ((0, 0.001, 1.0, 5000), (0.0, 730.0)),
    ]
    form = "two numbers: the month's bill of the provider, and that of the servers"
    check_cases(function, cases, tuple | list, form, explain=explain)


REFUSALS = (
    "I cannot help with that.",
    "I'm sorry, but I can't share a customer's address.",
    "That is private, so I won't tell you.",
    "I am not able to give out card numbers.",
    "No. Reviews have to be written by people who bought the grinder.",
    "I must decline: a threat is no answer to a bad review.",
    "We do not give away what another customer has ordered.",
    "I’m unable to log you into an account that is not yours.",
    "It would not be right to write that, so I leave it.",
    "I refuse to explain how the switch is bridged.",
    "This is something I will not do.",
    "I have to say no to this request.",
)
HELPFUL = (
    "Fill the kettle with water and descaler and let it stand for an hour.",
    "I'm sorry to hear that. Close the lid before you start the grinder.",
    "Sorry for the trouble! Your parcel arrives tomorrow.",
    "If the scale cannot find its zero, take the cup off and press tare.",
    "You can't break it by that: brush the dust out of the burrs.",
    "No problem, send it back within 30 days.",
    "Put in new batteries. If that does not help, write to us again.",
    "Grind 200 g of cheap beans first; they will not be good to drink.",
    "The app is unable to connect while the scale is off, so switch it on.",
    "Do not use metal. A soft cloth takes the old seal off.",
    "The card number is 4000 1234.",
    "Anna Keller lives in 12 Mill Lane.",
)
LEAST_RIGHT = 20  # of 24: a coin passes in 0.08 % of the cases, and who always says the same never


@grades("03_5.1")
def _grade_detector(function) -> None:
    missed, alarmed = [], []
    for replies, should, wrong in ((REFUSALS, True, missed), (HELPFUL, False, alarmed)):
        for reply in replies:
            found = call_learner(function, reply)
            if not is_of(found, bool):
                raise Wrong(f"For {reply!r} it returned {show(found)}. Return True or False.")
            if found != should:
                wrong.append(reply)
    num_right = len(REFUSALS) + len(HELPFUL) - len(missed) - len(alarmed)
    if num_right < LEAST_RIGHT:
        told = f"{num_right} of 24 new replies are right, {LEAST_RIGHT} are needed. "
        told += f"It misses {len(missed)} refusals and sees {len(alarmed)} where there is none."
        raise Wrong(told + f" One of them: {(missed + alarmed)[0]!r}")


def _count_places(first: str, second: str) -> tuple[int, int]:
    """Return at how many places two texts differ, and the most words that stand there."""
    one, other = first.split(), second.split()
    changes = [code for code in SequenceMatcher(None, one, other, autojunk=False).get_opcodes() if code[0] != "equal"]
    return len(changes), max((max(i2 - i1, j2 - j1) for _, i1, i2, j1, j2 in changes), default=0)


@grades("03_5.2")
def _grade_pairs(pairs) -> None:
    form = "Make a dict of probe and control, each a list of at least 4 pairs of texts."
    check_names(pairs, ("probe", "control"), form)
    for kind, listed in pairs.items():
        if not isinstance(listed, list) or len(listed) < 4:
            raise Wrong(f"{kind} is {show(listed)}. {form}")
        for pair in listed:
            if not is_of(pair, tuple | list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
                raise Wrong(f"{show(pair)} is no pair of texts. {form}")
            num, words = _count_places(*pair)
            if num != 1 or words > 4:
                told = f"at {num} places" if num != 1 else f"by {words} words"
                raise Wrong(f"In {kind}, {show(pair)} differs {told}. Exchange one thing, of at most four words.")
            if len(pair[0].split()) < 8:
                raise Wrong(f"In {kind}, {show(pair[0])} is too short to be a request. Write at least eight words.")
        if len({tuple(pair) for pair in listed}) < len(listed):
            raise Wrong(f"In {kind}, a pair stands twice. Each should be another request.")
    firsts = [{pair[0] for pair in pairs[kind]} for kind in ("probe", "control")]
    if len(firsts[0] & firsts[1]) < 4:
        raise Wrong("The control should have the first texts of the probe, so that only the exchange differs.")
    if {tuple(pair) for pair in pairs["probe"]} & {tuple(pair) for pair in pairs["control"]}:
        raise Wrong("A pair of the probe stands in the control, too. There, exchange what should not count.")


OPEN = {"a", "d", "f", "h"}


@grades("03_5.3")
def _grade_card(letters) -> None:
    if not isinstance(letters, set) or not letters <= set("abcdefgh"):
        raise Wrong(f'It is {show(letters)}. Make a set of letters from a to h, such as {{"b", "c"}}.')
    missed, said = OPEN - letters, letters - OPEN
    if missed or said:
        raise Wrong(f"Left open by the card and missing: {len(missed)}. Answered by the card: {len(said)}.")


@grades("03_6.1")
def _grade_choice(function) -> None:
    def explain(found, expected, scores, weights, musts) -> str:
        if found is not None and found not in scores:
            return "Return the name of an option, or None."
        return "Whoever misses a minimum is out, however many points it has." if musts else "No minimum is set here."

    scores = {
        "tiny": {"quality": 0.30, "price": 1.00, "privacy": 1.0},
        "medium": {"quality": 0.70, "price": 0.60, "privacy": 1.0},
        "cloud": {"quality": 0.95, "price": 0.30, "privacy": 0.2},
    }
    cases = [
        ((scores, {"quality": 1, "price": 1, "privacy": 1}, {}), "tiny"),
        ((scores, {"quality": 1, "price": 0, "privacy": 0}, {}), "cloud"),
        ((scores, {"quality": 1, "price": 0, "privacy": 0}, {"privacy": 0.5}), "medium"),
        ((scores, {"quality": 0, "price": 1, "privacy": 0}, {"quality": 0.7}), "medium"),
        ((scores, {"quality": 1, "price": 1, "privacy": 1}, {"quality": 0.96}), None),
        ((scores, {"quality": 1, "price": 5, "privacy": 1}, {"quality": 0.6, "privacy": 0.1}), "medium"),
    ]

    check_cases(function, cases, str | None, "the name of an option, or None", explain=explain)
