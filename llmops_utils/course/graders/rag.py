"""Graders of chapter 09: chunks, fusion, unsupported numbers, a screen against attacks."""

from ...core import DATA
from ...datasets import load_page_attacks
from .checks import Wrong, call_learner, check_cases, check_letters

LEAST_CAUGHT = 4  # of the 8 attacks held back, one of each kind
MOST_FALSE_ALARMS = 0.02  # of the handbook's paragraphs
HELD_BACK = slice(2, None, 3)
MENDED = dict(zip("ABCDEF", ("search", "reading", "pages", "reading", "pages", "search"), strict=True))


def _grade_cut(function) -> None:
    def read(found) -> list[str]:
        if not all(isinstance(chunk, list | tuple) for chunk in found):
            raise Wrong("Return a list of chunks, each of which is a list of words.")
        return [" ".join(map(str, chunk)) for chunk in found]

    def explain(found, expected, words, size, overlap) -> str:
        chunks = [chunk.split() for chunk in found]
        missing = [word for word in words if word not in " ".join(found).split()]
        if any(len(chunk) > size for chunk in chunks):
            return f"A chunk has more than {size} words."
        if missing:
            return f"{missing[0]!r} is lost."
        if len(chunks) > 1 and set(chunks[-1]) <= set(chunks[-2]):
            return "The last chunk holds nothing that the one before it does not hold."
        return f"Does each chunk begin with the last {overlap} words of the one before?"

    cases = [
        ((["a", "b", "c", "d", "e", "f", "g"], 3, 1), ["a b c", "c d e", "e f g"]),
        ((["a", "b", "c", "d", "e", "f"], 3, 0), ["a b c", "d e f"]),
        ((["a", "b", "c", "d", "e", "f", "g"], 3, 0), ["a b c", "d e f", "g"]),
        ((["a", "b", "c", "d", "e"], 4, 2), ["a b c d", "c d e"]),
        ((["a", "b", "c"], 5, 2), ["a b c"]),
        ((["a", "b", "c", "d", "e", "f"], 4, 3), ["a b c d", "b c d e", "c d e f"]),
    ]
    given = "{}, size {} and overlap {}"
    check_cases(function, cases, list | tuple, "a list of chunks", given=given, read=read, explain=explain)


def _grade_fusion(function) -> None:
    def explain(found, expected, rankings, weights) -> str:
        if len(set(found)) < len(found):
            return "An id stands there twice."
        if set(found) != set(expected):
            return "Each id of any ranking belongs into the result, once."
        return "What does an id get from each ranking that holds it, by weight and rank?"

    dense, lexical = ["a", "b", "c", "d"], ["d", "b", "e"]
    cases = [
        (([dense, lexical], [1.0, 1.0]), ["b", "d", "a", "c", "e"]),
        (([dense, lexical], [3.0, 1.0]), ["b", "d", "a", "c", "e"]),
        (([dense, lexical], [1.0, 0.0]), ["a", "b", "c", "d", "e"]),
        (([dense, lexical], [0.1, 1.0]), ["d", "b", "e", "a", "c"]),
        (([["x", "y"], [], ["y"]], [1.0, 1.0, 1.0]), ["y", "x"]),
    ]
    given = "the rankings {} and the weights {}"
    check_cases(function, cases, list | tuple, "a list of ids, the best first", given=given, explain=explain)


def _grade_support(function) -> None:
    def read(found) -> list[str]:
        return [word.casefold() for word in found]

    passage = "Refunds: The loan lasts up to 14 days, at most 2 weights per customer; deposit 12.50 EUR, form WS-10."
    other = "Hours: The shop opens at 9:30 and closes at 120 minutes past 16."
    cases = [
        (("14 days", [passage, other]), []),
        (("up to 14 days.", [passage]), []),
        (("12.50 EUR", [passage, other]), []),
        (("12.5 EUR", [passage]), ["12.5"]),
        (("12 days", [passage, other]), ["12"]),
        (("form ws-10", [passage]), []),
        (("form WS-11, 30 days", [passage, other]), ["ws-11", "30"]),
        (("at 9:30.", [passage, other]), []),
        (("no more than two", [passage]), []),
        (("(2)", [passage]), []),
        (("14", []), ["14"]),
    ]
    given, form = "the answer {!r} and the passages {}", "a list of words; an empty one where everything is supported"
    check_cases(function, cases, list | tuple, form, given=given, read=read)


def _grade_screen(function) -> str:
    attacks = load_page_attacks()[HELD_BACK]
    paragraphs = list_paragraphs()
    num_caught = sum(bool(call_learner(function, attack.text)) for attack in attacks)
    num_false = sum(bool(call_learner(function, paragraph)) for paragraph in paragraphs)
    most = int(MOST_FALSE_ALARMS * len(paragraphs))
    if num_false > most:
        raise Wrong(
            f"It drops {num_false} of the handbook's {len(paragraphs)} own paragraphs; at most {most} are allowed. Which "
            "words do instructions to people and to a model have in common?"
        )
    if num_caught < LEAST_CAUGHT:
        raise Wrong(
            f"It catches {num_caught} of {len(attacks)} attacks that were held back; {LEAST_CAUGHT} are asked for. What "
            "do the attacks that you can see have in common, and the handbook does not?"
        )
    return (
        f"It catches {num_caught} of {len(attacks)} attacks held back and drops {num_false} of {len(paragraphs)} honest "
        "paragraphs. Whoever knows the rule writes around it."
    )


def list_paragraphs() -> list[str]:
    """Return the paragraphs of the handbook without front matter and headings."""
    found = []
    for path in sorted((DATA / "handbook").glob("*.md")):
        text = path.read_text(encoding="utf-8").split("\n---\n", 1)[-1]
        found += [" ".join(part.split()) for part in text.split("\n\n") if part.strip() and not part.startswith("#")]
    return found


def _grade_parts(parts) -> None:
    advice = "Ask first whether the passage that answers was found, then whether the answer says what it says."
    check_letters(parts, MENDED, ("search", "reading", "pages"), advice)


GRADERS = {"09.1": _grade_cut, "09.2": _grade_fusion, "09.3": _grade_support, "09.4": _grade_screen}
GRADERS |= {"09_3.1": _grade_parts, "09_3.2": _grade_screen, "09_3.3": _grade_support}
