"""What a model is fine-tuned on: prompts with the replies that it shall give, checked before any time is spent."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from ...core import DataError, unify_text
from ...models.calls import Messages, check_messages
from .chat_tokenizer import ChatTokenizer
from .token_trees import TokenTree, make_tree

LONG_ENOUGH = 20  # characters from which on a text of the test is also sought inside longer ones


@dataclass(frozen=True)
class Demonstration:
    """A prompt, a text or messages as for `Model.chat`, and one or more good replies to it.

    Attributes:
        group: prompts that begin alike, a passage with several questions say, may name a common one: what they share is
            then computed once, and a batch counts them as one.
        weight: how much each reply counts, however long it is: a label as much as a program, unless this says otherwise.
    """

    prompt: Messages
    replies: Sequence[str]
    group: str = ""
    weight: float = 1.0


def encode_demonstrations(rows: Iterable[Demonstration], tokenizer: ChatTokenizer, max_tokens: int) -> list[TokenTree]:
    """Return a tree of tokens for each row, or group of rows, in which the replies are to be predicted.

    Raises `DataError` where a row, named by its number from 1 on, has an empty prompt or reply, holds a control token,
    weighs nothing, or is longer than `max_tokens`.
    """
    texts: dict[str, tuple[list[list[int]], list[int], list[float]]] = {}
    for number, row in enumerate(rows, 1):
        try:
            messages = check_messages(row.prompt, None)
            prompt = tokenizer.encode(tokenizer.render(messages))
        except DataError as error:
            raise DataError(f"Row {number}: {error.problem}", error.next_step) from error
        if isinstance(row.replies, str) or not row.replies or not all(reply.strip() for reply in row.replies):
            raise DataError(f"Row {number} has an empty reply, or no list of them.", "Write replies=['…'].")
        for text in [*(message["content"] for message in messages), *row.replies]:
            if found := [token for token in tokenizer.control_tokens if token in text]:
                raise DataError(
                    f"Row {number} holds {found[0]}, by which the model knows where a message ends.",
                    "Take it out of the text, or leave the row out.",
                )
        if not 0 < row.weight < math.inf:
            raise DataError(f"Row {number} has the weight {row.weight}.", "A weight is a number above 0; 1 is usual.")
        in_group, starts, weights = texts.setdefault(row.group or f"row {number}", ([], [], []))
        for reply in row.replies:
            in_group.append([*prompt, *tokenizer.encode(reply), tokenizer.end_id])
            starts.append(len(prompt))
            weights.append(row.weight)
            if len(in_group[-1]) > max_tokens:
                raise DataError(
                    f"Row {number} has {len(in_group[-1])} tokens, more than {max_tokens}.",
                    "Shorten it or leave it out; a higher max_tokens takes more memory and time.",
                )
    return [make_tree(*parts) for parts in texts.values()]


def check_demonstrations(rows: Sequence[Demonstration], test_texts: Iterable[str]) -> None:
    """Raise `DataError` where nothing can be learned from the rows, or where a text of the test stands in one."""
    if len(rows) < 2:
        raise DataError(f"{len(rows)} demonstrations are too few to learn from.", "Give at least two.")
    if len({reply for row in rows for reply in row.replies}) == 1:
        raise DataError(
            f"All replies are the same, “{rows[0].replies[0][:60]}”: the model would learn to say only that.",
            "Give demonstrations of at least two labels.",
        )
    tests = {_fold(text): text for text in test_texts}
    for number, row in enumerate(rows, 1):
        contents = [_fold(message["content"]) for message in check_messages(row.prompt, None)]
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
