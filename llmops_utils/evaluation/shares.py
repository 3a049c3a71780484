"""The share of a label among several: a finer measure of a prompt than right or wrong."""

from collections.abc import Sequence

from ..core import CapabilityMissing
from ..models import Model
from ..models.calls import Messages
from .run import Answer


def measure_shares(model: Model, messages: Messages, labels: Sequence[str]) -> Answer:
    """Return the probability of each label among the labels, by its first piece, as the prediction of an answer.

    Held to the labels, the embedded model replies the one with the largest share. Labels that begin with the same piece
    cannot be told apart. Raises `CapabilityMissing` where a server wraps choices, as those of providers do.
    """
    chances = {}
    for label in labels:
        reply = model.chat(messages, choices=[label], max_tokens=1, logprobs=1)
        if not reply.tokens or not label.startswith(reply.tokens[0].text):
            raise CapabilityMissing(
                f"{model.name} does not begin its reply with the label.",
                "Use the embedded model (unset LLMOPS_PROVIDER).",
            )
        chances[label] = reply.tokens[0].probability
    total = sum(chances.values())
    return Answer({label: chance / total for label, chance in chances.items()}, (reply,))
