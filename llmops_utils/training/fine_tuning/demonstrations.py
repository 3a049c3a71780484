"""What a model is fine-tuned on: prompts with the replies that it shall give, checked before any time is spent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from ...core import DataError, unify_text
from ...models.calls import Messages, check_messages
from .llama import ChatTokenizer
from .llama_operations import TokenTree, make_tree

LONG_ENOUGH = 20  # characters from which on a text of the test is also sought inside longer ones


@dataclass(frozen=True)
class Demonstration:
    """A prompt, a text or messages as for `Model.chat`, and one or more good replies to it.

    Prompts that begin alike, a passage with several questions say, may name a common `group`: what they share is then
    computed once, and a batch counts them as one. `weight` is how much each reply counts, however long it is.
    """

    prompt: Messages
    replies: Sequence[str]
    group: str = ""
    weight: float = 1.0


def encode_demonstrations(rows: Iterable[Demonstration], tokenizer: ChatTokenizer, max_tokens: int) -> list[TokenTree]:
    """Return a tree of tokens for each row, or group of rows, in which the replies are to be predicted.

    Raises `DataError`, which names the row by its number from 1 on, for an empty prompt or reply, a control token, and
    more than `max_tokens`.
    """
    groups: dict[str, tuple[list[list[int]], list[int], list[float]]] = {}
    for number, row in enumerate(rows, 1):
        try:
            prompt, replies = _encode_row(row, tokenizer, max_tokens)
        except DataError as error:
            raise DataError(f"Row {number}: {error.problem}", error.next_step) from error
        texts, starts, weights = groups.setdefault(row.group or f"row {number}", ([], [], []))
        for reply in replies:
            texts.append([*prompt, *reply])
            starts.append(len(prompt))
            weights.append(row.weight)
    return [make_tree(*parts) for parts in groups.values()]


def _encode_row(row: Demonstration, tokenizer: ChatTokenizer, max_tokens: int) -> tuple[list[int], list[list[int]]]:
    """Return the ids of the prompt and of each reply."""
    messages = check_messages(row.prompt)
    if isinstance(row.replies, str) or not row.replies or not all(reply.strip() for reply in row.replies):
        raise DataError("It has an empty reply, or no list of them.", "Write replies=['…'].")
    said = "\n".join([*(message["content"] for message in messages), *row.replies])
    if found := [token for token in tokenizer.control_tokens if token in said]:
        raise DataError(
            f"It holds {found[0]}, by which the model knows where a message ends.", "Leave the row out, or that token."
        )
    prompt = tokenizer.encode(tokenizer.render(messages))
    replies = [[*tokenizer.encode(reply), tokenizer.end_id] for reply in row.replies]
    num_tokens = len(prompt) + max(map(len, replies))
    if num_tokens > max_tokens:
        raise DataError(f"It has {num_tokens} tokens, more than {max_tokens}.", "Shorten it or leave it out.")
    return prompt, replies


def check_demonstrations(rows: Sequence[Demonstration], test_texts: Iterable[str]) -> None:
    """Raise `DataError` where nothing can be learned from the rows, or where a text of the test stands in one."""
    if len({reply for row in rows for reply in row.replies}) < 2:
        raise DataError("There is one reply at most, which the model would always give.", "Give at least two labels.")
    tests = {_fold(text): text for text in test_texts}
    for number, row in enumerate(rows, 1):
        contents = [_fold(message["content"]) for message in check_messages(row.prompt)]
        for folded, text in tests.items():
            if folded in contents or (len(folded) >= LONG_ENOUGH and any(folded in one for one in contents)):
                raise DataError(
                    f"Row {number} holds a text of the test, “{text[:80]}”: how the model answers it would say nothing.",
                    "Leave the row out of the training.",
                )


def hash_demonstrations(rows: Iterable[Demonstration]) -> str:
    """Return the sha256 of demonstrations in their order."""
    # The usual weight is left out: what was hashed and recorded before there were weights stays found.
    said = [{name: value for name, value in asdict(row).items() if (name, value) != ("weight", 1.0)} for row in rows]
    return hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()


def _fold(text: str) -> str:
    return " ".join(unify_text(text).casefold().split())
