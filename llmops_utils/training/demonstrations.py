"""What a model is fine-tuned on: prompts with the replies that it shall give, checked before any time is spent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core import DataError, unify_text
from ..models.calls import Messages, check_messages
from .chat_tokenizer import ChatTokenizer
from .token_trees import TokenTree, make_tree

LONG_ENOUGH = 20  # characters from which on a test text counts as found inside a longer training text


@dataclass(frozen=True)
class Demonstration:
    """A prompt, a text or messages as for `Model.chat`, and one or more replies to it, each a good one.

    Where many prompts begin alike, a passage with several questions say, the same `group` lets what they share be
    computed once. It is also how the rows of a batch are counted: a group is one.
    """

    prompt: Messages
    replies: Sequence[str]
    group: str = ""


def encode_demonstrations(
    tokenizer: ChatTokenizer, demonstrations: Iterable[Demonstration], max_tokens: int
) -> list[TokenTree]:
    """Return a tree of tokens for each demonstration or group of them; the replies are what is predicted.

    Raises:
        DataError: a row, named by its number from 1 on, has an empty prompt or reply, holds a control token, or is
            longer than `max_tokens`.
    """
    texts: dict[str, tuple[list[list[int]], list[int]]] = {}
    for number, one in enumerate(demonstrations, 1):
        try:
            messages = check_messages(one.prompt, None)
        except DataError as error:
            raise DataError(f"Row {number}: {error.problem}", error.next_step) from error
        if isinstance(one.replies, str) or not one.replies or not all(reply.strip() for reply in one.replies):
            raise DataError(f"Row {number} has no reply, or an empty one.", "Give replies=['…'], or leave the row out.")
        for text in [*(message["content"] for message in messages), *one.replies]:
            if found := [token for token in tokenizer.control_tokens if token in text]:
                raise DataError(
                    f"Row {number} holds {found[0]}, which the model reads as the frame of a conversation.",
                    "Take it out of the text, or leave the row out.",
                )
        prompt = tokenizer.encode(tokenizer.render(messages))
        rows, starts = texts.setdefault(one.group or f"row {number}", ([], []))
        for reply in one.replies:
            rows.append([*prompt, *tokenizer.encode(reply), tokenizer.end_id])
            starts.append(len(prompt))
            if len(rows[-1]) > max_tokens:
                raise DataError(
                    f"Row {number} has {len(rows[-1])} tokens, more than {max_tokens}.",
                    "Shorten it, leave it out, or raise max_tokens; time and memory grow with it.",
                )
    return [make_tree(*pair) for pair in texts.values()]


def check_demonstrations(
    demonstrations: Sequence[Demonstration], dev: Sequence[Demonstration], test_texts: Iterable[str]
) -> None:
    """Raise `DataError` where nothing can be learned from them, or a text of the test stands in one of them."""
    if len(demonstrations) < 2:
        raise DataError(f"{len(demonstrations)} demonstrations are too few to learn from.", "Give 2 or more.")
    if len({reply for one in demonstrations for reply in one.replies}) == 1:
        raise DataError(
            f"All {len(demonstrations)} demonstrations have the same reply, “{demonstrations[0].replies[0][:60]}”: the "
            "model would learn to say nothing else.",
            "Give examples of at least two labels.",
        )
    tests = {_fold(text): text for text in test_texts}
    for number, one in enumerate(demonstrations, 1):
        for message in check_messages(one.prompt, None):
            content = _fold(message["content"])
            for folded, text in tests.items():
                if folded == content or (len(folded) >= LONG_ENOUGH and folded in content):
                    raise DataError(
                        f"Row {number} holds a text of the test: “{text[:80]}”. A test on what was trained on says "
                        "nothing.",
                        "Leave the row out of the training.",
                    )


def hash_demonstrations(demonstrations: Iterable[Demonstration]) -> str:
    """Return the sha256 of demonstrations in their order."""
    rows = [[one.prompt, list(one.replies), one.group] for one in demonstrations]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _fold(text: str) -> str:
    return " ".join(unify_text(text).casefold().split())
