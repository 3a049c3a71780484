"""Graders of lesson 09_3: which part to mend, a screen against attacks, unsupported numbers."""

from ...core import DATA
from ...datasets import load_page_attacks
from .checks import Wrong, call_learner, check_cases, check_letters

LEAST_CAUGHT = 4  # of the 8 attacks held back, one of each kind
MOST_FALSE_ALARMS = 0.02  # of the handbook's paragraphs
HELD_BACK = slice(2, None, 3)
MENDED = dict(zip("ABCDEF", ("search", "reading", "pages", "reading", "pages", "search"), strict=True))


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


GRADERS = {"09_3.1": _grade_parts, "09_3.2": _grade_screen, "09_3.3": _grade_support}
