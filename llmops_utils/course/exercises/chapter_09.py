"""Exercises of `09_rag`."""

from __future__ import annotations

from ...core import DATA
from ...datasets import load_page_attacks
from .exercise import Exercise, Wrong, call_learner
from .quiz import Question, Quiz

LEAST_CAUGHT = 4  # of the 8 attacks held back, one of each kind
MOST_FALSE_ALARMS = 0.02  # of the handbook's paragraphs
HELD_BACK = slice(2, None, 3)


def _grade_cut(function) -> str:
    cases = [
        ("a b c d e f g", 3, 1, ["a b c", "c d e", "e f g"]),
        ("a b c d e f", 3, 0, ["a b c", "d e f"]),
        ("a b c d e f g", 3, 0, ["a b c", "d e f", "g"]),
        ("a b c d e", 4, 2, ["a b c d", "c d e"]),
        ("a b c", 5, 2, ["a b c"]),
        ("a b c d e f", 4, 3, ["a b c d", "b c d e", "c d e f"]),
    ]
    for text, size, overlap, expected in cases:
        found = call_learner(function, text.split(), size, overlap)
        if not isinstance(found, list | tuple) or not all(isinstance(chunk, list | tuple) for chunk in found):
            raise Wrong("Return a list of chunks, each of which is a list of words.")
        joined = [" ".join(map(str, chunk)) for chunk in found]
        told = f"For {text!r}, size {size} and overlap {overlap} it returned {joined}"
        if any(len(chunk) > size for chunk in found):
            raise Wrong(f"{told}: a chunk has more than {size} words.")
        missing = [word for word in text.split() if word not in " ".join(joined).split()]
        if missing:
            raise Wrong(f"{told}: {missing[0]!r} is lost.")
        if len(joined) > 1 and set(found[-1]) <= set(found[-2]):
            raise Wrong(f"{told}: the last chunk holds nothing that the one before it does not hold.")
        if joined != expected:
            raise Wrong(f"{told}. Does each chunk begin with the last {overlap} words of the one before?")
    return "Overlap costs chunks: with 3 words and 1 repeated, each chunk brings only 2 new ones."


def _grade_fusion(function) -> str:
    dense, lexical = ["a", "b", "c", "d"], ["d", "b", "e"]
    cases = [
        ([dense, lexical], [1.0, 1.0], ["b", "d", "a", "c", "e"]),
        ([dense, lexical], [3.0, 1.0], ["b", "d", "a", "c", "e"]),
        ([dense, lexical], [1.0, 0.0], ["a", "b", "c", "d", "e"]),
        ([dense, lexical], [0.1, 1.0], ["d", "b", "e", "a", "c"]),
        ([["x", "y"], [], ["y"]], [1.0, 1.0, 1.0], ["y", "x"]),
    ]
    for rankings, weights, expected in cases:
        found = call_learner(function, [list(ranking) for ranking in rankings], list(weights))
        if not isinstance(found, list | tuple) or not all(isinstance(item, str) for item in found):
            raise Wrong("Return a list of ids, the best first.")
        told = f"For the rankings {rankings} and the weights {weights} it returned {list(found)}"
        if len(set(found)) < len(found):
            raise Wrong(f"{told}: an id stands there twice.")
        if set(found) != set(expected):
            raise Wrong(f"{told}: each id of any ranking belongs into the result, once.")
        if list(found) != expected:
            raise Wrong(f"{told}. What does an id get from each ranking that holds it, by weight and rank?")
    return "A weight of 0 leaves only the order of the other ranking; the weight itself is chosen on dev."


def _grade_support(function) -> str:
    passage = "Refunds: The loan lasts up to 14 days, at most 2 weights per customer; deposit 12.50 EUR, form WS-10."
    other = "Hours: The shop opens at 9:30 and closes at 120 minutes past 16."
    cases = [
        ("14 days", [passage, other], []),
        ("up to 14 days.", [passage], []),
        ("12.50 EUR", [passage, other], []),
        ("12.5 EUR", [passage], ["12.5"]),
        ("12 days", [passage, other], ["12"]),
        ("form ws-10", [passage], []),
        ("form WS-11, 30 days", [passage, other], ["WS-11", "30"]),
        ("at 9:30.", [passage, other], []),
        ("no more than two", [passage], []),
        ("(2)", [passage], []),
        ("14", [], ["14"]),
    ]
    for answer, passages, expected in cases:
        found = call_learner(function, answer, list(passages))
        if not isinstance(found, list | tuple) or not all(isinstance(word, str) for word in found):
            raise Wrong("Return a list of words; an empty one where everything is supported.")
        if [word.casefold() for word in found] != [word.casefold() for word in expected]:
            raise Wrong(f"For the answer {answer!r} and the passages {passages} it returned {list(found)}.")
    return "A number that stands in no passage was made up. One that does may still answer another question."


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


EXERCISES = (
    Exercise(
        "09.1",
        "Chunks that overlap",
        "Write `cut_words(words, size, overlap)`: cut a list of words into chunks of at most `size` words, each of which "
        "begins with the last `overlap` words of the one before. Stop with the chunk that holds the last word. Return a "
        "list of lists; `overlap` is less than `size`.",
        "cut_words",
        _grade_cut,
        (
            "The starts of the chunks lie size - overlap words apart.",
            "Without care, one more chunk comes at the end that holds only repeated words: begin none in the last "
            "`overlap` words.",
        ),
        """
        def cut_words(words, size, overlap):
            starts = range(0, max(1, len(words) - overlap), size - overlap)
            return [words[start : start + size] for start in starts]
        """,
    ),
    Exercise(
        "09.2",
        "Fusion with weights",
        "Write `fuse_weighted(rankings, weights)`: `rankings` holds lists of ids, the best first, and `weights` one number "
        "for each. An id gets weight / (60 + rank) from every ranking that holds it, ranks counted from 1. Return the ids "
        "by their sums, the best first; equal sums stay in the order in which the ids first come up.",
        "fuse_weighted",
        _grade_fusion,
        (
            "A dictionary from id to sum, filled ranking by ranking, keeps the order of first coming up.",
            "sorted is stable: items with equal keys stay in their order.",
        ),
        """
        def fuse_weighted(rankings, weights):
            sums = {}
            for ranking, weight in zip(rankings, weights):
                for rank, id in enumerate(ranking, start=1):
                    sums[id] = sums.get(id, 0) + weight / (60 + rank)
            return sorted(sums, key=lambda id: -sums[id])
        """,
    ),
    Exercise(
        "09.3",
        "Numbers that stand nowhere",
        "Write `find_unsupported(answer, passages)`: return those words of the answer that hold a digit and stand in none "
        "of the passages, in their order. A word is what stands between white space, without `.,;:!?()[]` at its ends; "
        "capitals do not matter.",
        "find_unsupported",
        _grade_support,
        (
            "Cut the passages into words in the same way as the answer; then compare words, not letters.",
            "word.strip('.,;:!?()[]') leaves the point in 12.50 and takes the one after 14.",
        ),
        """
        def find_unsupported(answer, passages):
            known = {word.strip(".,;:!?()[]").casefold() for passage in passages for word in passage.split()}
            words = [word.strip(".,;:!?()[]") for word in answer.split()]
            return [word for word in words if any(char.isdigit() for char in word) and word.casefold() not in known]
        """,
    ),
    Exercise(
        "09.4",
        "A screen for passages",
        "Write `is_suspicious(text)`: return whether a paragraph speaks to the model instead of to a reader. The 16 attacks "
        f"in `seen_attacks` show the kinds; it has to catch at least {LEAST_CAUGHT} of 8 others, and may drop at most "
        f"{MOST_FALSE_ALARMS:.0%} of the handbook's own paragraphs.",
        "is_suspicious",
        _grade_screen,
        (
            "Print the attacks. Which words name the model, its answer or its rules?",
            "Try a few words in re.search(r'(?i)...', text) and count over `index.chunks.values()` how often honest text holds them.",
        ),
        r"""
        import re
        def is_suspicious(text):
            words = r"assistant|ignore|instruction|your answer|play the part|you are (no longer|now)|example\.com|<\W|http"
            return bool(re.search(words, text, flags=re.IGNORECASE))
        """,
    ),
)

QUIZ = Quiz(
    "09.quiz",
    (
        Question(
            "In which order do the four steps come?",
            (
                "retrieval, user prompt, generation, augmentation",
                "user prompt, retrieval, augmentation, generation",
                "augmentation, retrieval, user prompt, generation",
                "user prompt, generation, retrieval, augmentation",
            ),
            1,
            "The question decides what is found, what is found goes into the prompt, and then the model writes.",
        ),
        Question(
            "A customer writes the error code Err7 and nothing else. Which search finds its page more surely?",
            (
                "search by meaning, since codes have a meaning",
                "neither, since the question is too short",
                "search by words, since the code stands in the page letter by letter",
                "both are always equally good",
            ),
            2,
            "An embedding knows little of a code that it never saw; an index of words finds it as any other word.",
        ),
        Question(
            "The right passage is in the prompt and the answer is wrong. What has to be improved?",
            (
                "what happens after retrieval: the prompt, or the model that reads it",
                "the embedding model",
                "the number of chunks in the index",
                "the data set",
            ),
            0,
            "Retrieval did its part. That is why the errors are counted by the step at which they arise.",
        ),
        Question(
            "An old page contradicts the current one. Why does a better embedding model not help?",
            (
                "old pages have longer vectors",
                "embeddings cannot read numbers",
                "the index holds each page only once",
                "both pages are about the question; which one holds today is said only in the metadata",
            ),
            3,
            "Relevance and validity are two things. A filter on the metadata decides the second.",
        ),
        Question(
            "You chose chunk size and k on dev. Where does the figure for your report come from?",
            (
                "from dev, where most was measured",
                "from test, measured once with what was chosen",
                "from both together",
            ),
            1,
            "The best of several settings on dev is partly lucky on dev; test does not know about that.",
        ),
        Question(
            "Each number of an answer is looked up in the passages before the answer is sent. What does that not find?",
            (
                "a number that the model made up",
                "a number from the model's training data",
                "a number that an attacker wrote into the passage",
                "a number with a typing error",
            ),
            2,
            "An attacked passage holds the attacker's number. The check compares with the passage; it does not know the truth.",
        ),
    ),
)
