"""How many examples per second `evaluate` gets out of the embedded model, against a plain loop over the client.

    python benchmarks/throughput.py            # 160 test messages, about ten minutes on 2 cores
    python benchmarks/throughput.py --num 16   # a quick look

The task is the intent of a customer's message with 20 worked examples before it, the answer held to the eight
intents. All arms send the same kind of request; they differ in who sends it and in what the server may keep:

- plain loop: one call after the other through `client.chat.completions.create`, no help from this package;
- evaluate, 1, 2 or 4 at once: the same messages through `evaluate`, with its scoring, journal and report;
- no cache: the plain loop with `cache_prompt` off, so that the server reads the 20 examples anew for each message;
- shuffled examples: the plain loop with the examples in another order for each message, so that there is hardly
  anything to keep.

Each arm has a first line of its own in the system message, new in each run, so that none profits from what the server
read for another. So an arm pays for reading its own 20 examples: once for the loop, once per slot where several are
asked at once. The column "examples per second" counts that, "when warm" does not: it begins with the first answer of
each slot. With few messages the two are far apart. Only the loading of the model is never counted: one call with
another text comes before all arms. The last two arms are slow and take at most 40 messages; rates, not times, are
compared. Times are those of one run on one machine, other programs included: differences of a tenth mean nothing.
"""

import argparse
import os
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from llmops_utils.datasets import INTENTS, Message, load_messages, make_examples
from llmops_utils.evaluation import ChoiceMatch, evaluate
from llmops_utils.models import Model

NUM_SHOTS = 20
MAX_TOKENS = 8
MOST_SLOW = 40  # messages of the arms without a shared prefix
SLOTS = 4  # requests that the server answers at once, in all arms
INSTRUCTION = f"Classify the customer's message. Answer with one of: {', '.join(INTENTS)}."
GRAMMAR = "root ::= " + " | ".join(f'"{intent}"' for intent in INTENTS)  # as `Model.chat(choices=INTENTS)` sends it


@dataclass(frozen=True)
class Timing:
    """One arm.

    Attributes:
        name: what the table calls it.
        parallel: messages that were asked at once.
        duration_s: seconds from the first question to the end, with all that the arm does around the calls.
        answered_s: when each answer came, in seconds from the start.
        num_right: how many of the answers were right.
    """

    name: str
    parallel: int
    duration_s: float
    answered_s: list[float]
    num_right: int

    @property
    def num(self) -> int:
        """How many messages were asked."""
        return len(self.answered_s)

    @property
    def rate(self) -> float:
        """Examples per second."""
        return self.num / self.duration_s

    @property
    def warm_rate(self) -> float:
        """Examples per second after the first answer of each slot, nan where there is none after it."""
        times = sorted(self.answered_s)
        num_warm = self.num - self.parallel
        return num_warm / (times[-1] - times[self.parallel - 1]) if num_warm > 0 else float("nan")


def write_messages(text: str, shots: list[Message], first_line: str) -> list[dict]:
    """Return the conversation that asks for the intent of a text after worked examples."""
    messages = [{"role": "system", "content": f"{first_line}\n{INSTRUCTION}"}]
    for shot in shots:
        messages += [{"role": "user", "content": shot.text}, {"role": "assistant", "content": shot.intent}]
    return [*messages, {"role": "user", "content": text}]


def make_first_line() -> str:
    """Return a line that no earlier prompt began with."""
    return f"Session {secrets.token_hex(4)}."


def ask(model: Model, messages: list[dict], **more) -> str:
    """Return the answer of one call through the plain client."""
    answer = model.client.chat.completions.create(
        model=model.name,
        messages=messages,
        max_tokens=MAX_TOKENS,
        temperature=0.0,
        extra_body={"grammar": GRAMMAR, **more},
    )
    return answer.choices[0].message.content


def time_loop(
    model: Model, name: str, messages: list[Message], choose_shots: Callable[[int], list[Message]], **more
) -> Timing:
    """Return the timing of a plain loop.

    Args:
        model: the embedded model.
        name: what the table calls the arm.
        messages: what is asked.
        choose_shots: takes the number of a message, returns its worked examples.
        more: further fields of the request.
    """
    first_line, num_right, answered_s = make_first_line(), 0, []
    started = time.perf_counter()
    for number, message in enumerate(messages):
        prompt = write_messages(message.text, choose_shots(number), first_line)
        num_right += ask(model, prompt, **more) == message.intent
        answered_s.append(time.perf_counter() - started)
    return Timing(name, 1, time.perf_counter() - started, answered_s, num_right)


def time_evaluate(model: Model, messages: list[Message], shots: list[Message], parallel: int) -> Timing:
    """Return the timing of `evaluate` over the same messages."""
    first_line, answered_s = make_first_line(), []

    def classify(text: str):
        reply = model.chat(write_messages(text, shots, first_line), choices=INTENTS, max_tokens=MAX_TOKENS)
        answered_s.append(time.perf_counter() - started)
        return reply

    started = time.perf_counter()
    examples = make_examples(messages, "text", "intent")
    report = evaluate(classify, examples, ChoiceMatch(INTENTS), name=f"evaluate, {parallel} at once", parallel=parallel)
    duration_s = time.perf_counter() - started
    if report.num_failed or report.num_resumed:
        raise SystemExit(f"{report}: an arm with failed or resumed examples has no rate.")
    return Timing(report.name, parallel, duration_s, answered_s, int(report.scores.sum()))


def shuffle(shots: list[Message], seed: int) -> list[Message]:
    """Return the examples in an order that depends on the seed alone."""
    return random.Random(seed).sample(shots, len(shots))


def format_table(timings: list[Timing]) -> str:
    """Return the timings as a table in Markdown; the first arm is the measure of the others."""
    columns = ["arm", "messages", "seconds", "examples per second", "ratio", "when warm", "ratio", "right"]
    rows = [columns, ["---"] * len(columns)]
    for one in timings:
        cold, warm = one.rate / timings[0].rate, one.warm_rate / timings[0].warm_rate
        numbers = (f"{value:.2f}" for value in (one.rate, cold, one.warm_rate, warm))
        rows.append([one.name, str(one.num), f"{one.duration_s:.1f}", *numbers, f"{one.num_right / one.num:.0%}"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Run all arms and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=160, help="test messages (default: 160)")
    num = parser.parse_args().num
    os.environ |= {"LLMOPS_MODE": "live", "LLMOPS_PARALLEL": str(SLOTS), "LLMOPS_EXAMPLES": "1000"}
    model = Model("throughput")
    if model.provider.id != "embedded":
        raise SystemExit("This measures the embedded model: unset LLMOPS_PROVIDER and LLMOPS_BASE_URL.")
    shots, messages = load_messages("shots")[:NUM_SHOTS], load_messages("test")[:num]
    if not 0 < num <= len(messages):
        raise SystemExit(f"--num must be between 1 and {len(load_messages('test'))}.")
    few = messages[:MOST_SLOW]
    ask(model, [{"role": "user", "content": "Hello."}])  # loads the model
    length = model.count_tokens(write_messages(messages[0].text, shots, make_first_line()))
    print(f"{model}: {len(messages)} messages, {NUM_SHOTS} examples before each, about {length} tokens per prompt")
    timings = [time_loop(model, "plain loop", messages, lambda number: shots)]
    timings += [time_evaluate(model, messages, shots, parallel) for parallel in (1, 2, 4)]
    timings += [
        time_loop(model, f"plain loop, no cache (first {len(few)})", few, lambda number: shots, cache_prompt=False),
        time_loop(
            model, f"plain loop, shuffled examples (first {len(few)})", few, lambda number: shuffle(shots, number)
        ),
    ]
    print(format_table(timings))


if __name__ == "__main__":
    main()
