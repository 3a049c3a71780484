"""The served model under load, through the gateway: how long callers wait, what is refused and how, and what is lost.

    python benchmarks/serving.py                # 60 s for each of 1, 4, 8 and 16 callers, about six minutes
    python benchmarks/serving.py --seconds 10   # a quick look; too few calls for a p95
    python benchmarks/serving.py --store        # and write each call into data/serving_measured.csv

It starts what `python -m llmops_utils serve` starts, here in one process: llama.cpp with its places, the gateway before
it, on loopback. Each caller has a key of its own and asks for 64 tokens, streamed; as soon as it has its answer it asks
the next thing. So there are always as many calls in the house as callers, and by Little's law callers divided by the mean
of the seconds are the answers per second; both stand in the table. The queue is timed inside the gateway, from the
checked request to its turn; the first token and the whole answer at the caller. The time begins when all callers have
their first answer; what is asked before its end is waited for, and until then nobody stops asking. Every prompt is another
one, so that no answer profits from a prompt read before.

After each load the books are compared: calls sent and answers received, tokens in the answers and tokens in the quota,
places free. At the end some prompts are asked once more, alone: the answer under load should be the same text.
"""

import argparse
import contextlib
import csv
import itertools
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from openai import APIStatusError, OpenAI

from llmops_utils.core import DATA, load_settings
from llmops_utils.models import choose_local_models, fetch_weights, start_server
from llmops_utils.operations.gateway import Gateway
from llmops_utils.operations.quotas import MOST_WAITING, Quota, Turns

STORED = DATA / "serving_measured.csv"
CALLERS = (1, 4, 8, 16)
MAX_TOKENS = 64
MOST_TOKENS = 100_000  # of a caller: more than a load takes, less than the longest prompt that is tried
THINGS = ("kettle", "grinder", "scale", "parcel", "voucher", "counter", "label", "lid", "cable", "invoice")
PLACES = ("in a harbour", "on a mountain", "in a night train", "at a market", "in an old library", "on a small island")


@dataclass(frozen=True)
class Call:
    """One answered call: callers at that time, seconds in the queue, to the first token and to the last, and tokens."""

    callers: int
    queue_s: float
    first_s: float
    total_s: float
    tokens: int


class TimedTurns(Turns):
    """Turns that note how long each of a caller's calls waited, in their order."""

    def __init__(self, num: int) -> None:
        super().__init__(num)
        self.waited_s: dict[str, list[float]] = defaultdict(list)

    @contextlib.asynccontextmanager
    async def take(self, caller):
        """Wait for a turn, and note how long."""
        started = time.perf_counter()
        async with super().take(caller):
            self.waited_s[caller].append(time.perf_counter() - started)
            yield

    @property
    def num_free(self) -> int:
        """Places that nobody has."""
        return self._free


class House:
    """The gateway with its callers."""

    def __init__(self, folder: Path) -> None:
        settings = load_settings()
        model, _ = choose_local_models(settings)
        [weights, *_] = fetch_weights(model, settings.home).values()
        self.server = start_server(weights, model.name, settings.context, settings.parallel, settings.threads)
        self.places, self.model = settings.parallel, model.name
        self.turns = TimedTurns(self.places)
        # A clock that stands still: no hour ends within the measurement, which would empty the books.
        self.quota = Quota(folder / "quota.json", 10_000, MOST_TOKENS, clock=lambda: 7200.0)
        self.gateway = Gateway((model.name,), lambda name: self.server, self.authenticate, self.quota, self.turns)
        self.port = 0
        self._prompts = itertools.product(range(10**6), PLACES, THINGS)
        self._lock = threading.Lock()

    async def authenticate(self, key: str, address: str) -> str | None:
        """Return the caller of a key; all keys of the form key-NAME are valid."""
        return key.removeprefix("key-") if key.startswith("key-") else None

    def connect(self, caller: str) -> OpenAI:
        """Return a client that asks once, so that each refusal is seen."""
        return OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key=f"key-{caller}", max_retries=0, timeout=300)

    def write_prompt(self) -> str:
        """Return a prompt that was not asked before."""
        with self._lock:
            number, place, thing = next(self._prompts)
        return f"Story {number + 1}. Tell a long story about a {thing} {place}."

    def ask(self, client: OpenAI, prompt: str) -> tuple[float, float, str, dict]:
        """Return the seconds to the first token and to the last, the text, and what the answer says that it took."""
        started, first_s, parts, usage = time.perf_counter(), 0.0, [], {}
        stream = client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": prompt}],
            max_tokens=MAX_TOKENS,
            temperature=0.0,
            stream=True,
            stream_options={"include_usage": True},
        )
        for chunk in stream:
            if chunk.usage is not None:
                usage = {"written": chunk.usage.completion_tokens, "all": chunk.usage.total_tokens}
            if chunk.choices and chunk.choices[0].delta.content:
                first_s = first_s or time.perf_counter() - started
                parts.append(chunk.choices[0].delta.content)
        return first_s, time.perf_counter() - started, "".join(parts), usage


@dataclass(frozen=True)
class Load:
    """What a load was: its measured calls, answers per second while it lasted, texts by prompt, and what the books miss."""

    calls: list[Call]
    rate: float
    texts: dict[str, str]
    lost: dict[str, int]


class Callers:
    """So many callers, each of whom asks one thing after the other.

    A call counts where it began after everybody's first answer and before the time was over. Until the last of those
    has its answer, all go on asking, so that none of them was served in an emptier house.
    """

    def __init__(self, house: House, num: int, seconds: float) -> None:
        self.house, self.seconds = house, seconds
        self.names = [f"{num}-{place}" for place in range(num)]
        self.num_sent, self.num_counted, self.began = 0, 0, 0.0
        self.failed: list[Exception] = []
        self.calls: list[Call] = []
        self.ended: list[float] = []
        self.texts: dict[str, str] = {}
        self.tokens: dict[str, int] = defaultdict(int)
        self._all_warm = threading.Barrier(num, action=self._begin)
        self._lock = threading.Lock()

    def _begin(self) -> None:
        self.began = time.perf_counter()

    def _take_number(self, is_first: bool) -> bool | None:
        """Return whether a call that begins now counts; None where nobody needs it any more."""
        with self._lock:
            is_early = not is_first and time.perf_counter() - self.began < self.seconds
            if not (is_first or is_early or self.num_counted > len(self.calls)):
                return None
            self.num_sent += 1
            self.num_counted += is_early
            return is_early

    def go(self, name: str) -> None:
        """Ask until the load is over."""
        client, asked = self.house.connect(name), 0
        while (counts := self._take_number(asked == 0)) is not None:
            prompt = self.house.write_prompt()
            try:
                first_s, total_s, text, usage = self.house.ask(client, prompt)
            except Exception as error:
                self.failed.append(error)
                self.num_counted -= counts
                if asked == 0:
                    self._all_warm.abort()  # nobody waits for who never gets an answer
                    raise
                continue
            queue_s = self.house.turns.waited_s[name][asked]
            self.texts[prompt], self.tokens[name] = text, self.tokens[name] + usage["all"]
            asked += 1
            if asked == 1:
                self._all_warm.wait()
                continue
            self.ended.append(time.perf_counter() - self.began)
            if counts:
                self.calls.append(Call(len(self.names), queue_s, first_s, total_s, usage["written"]))


def run_load(house: House, num: int, seconds: float) -> Load:
    """Return what so many callers met."""
    callers = Callers(house, num, seconds)
    with ThreadPoolExecutor(num) as pool:
        list(pool.map(callers.go, callers.names))
    deadline = time.perf_counter() + 10
    while house.turns.num_free < house.places and time.perf_counter() < deadline:
        time.sleep(0.01)  # a caller is gone with its last token, the books are closed a moment later
    used = house.quota.used
    lost = {
        "calls without an answer": callers.num_sent - len(callers.texts),
        "answers that failed": len(callers.failed),
        "answers without a text": sum(not text for text in callers.texts.values()),
        "tokens counted otherwise": sum(abs(used[name][1] - callers.tokens[name]) for name in callers.names),
        "places not given back": house.places - house.turns.num_free,
    }
    rate = sum(ended <= seconds for ended in callers.ended) / seconds
    return Load(callers.calls, rate, callers.texts, lost)


def show_load(load: Load) -> list[str]:
    """Return a load as cells of the table."""
    totals = np.array([one.total_s for one in load.calls])
    num, tokens = load.calls[0].callers, np.mean([one.tokens for one in load.calls])
    queue, first = (np.median([getattr(one, name) for one in load.calls]) for name in ("queue_s", "first_s"))
    quantiles = (f"{np.quantile(totals, share):.2f}" for share in (0.5, 0.95))
    cells = [str(num), str(len(load.calls)), f"{tokens:.0f}", f"{queue:.2f}", f"{first:.2f}", *quantiles]
    return [*cells, f"{load.rate:.2f}", f"{num / totals.mean():.2f}", str(sum(load.lost.values()))]


HEADS = [
    "callers",
    "answers",
    "tokens",
    "queue p50",
    "first token p50",
    "p50",
    "p95",
    "answers per s",
    "callers / mean s",
]
HEADS += ["lost"]


def print_table(heads: list[str], rows: list[list[str]]) -> None:
    """Print a table in Markdown."""
    for row in (heads, ["---"] * len(heads), *rows):
        print(f"| {' | '.join(row)} |")


def list_refusals(house: House) -> list[list[str]]:
    """Return what is refused and how, as rows: request, status, seconds to wait, message; the house works on beside it."""
    body = {"model": house.model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
    ana = house.connect("ana")
    no_key = OpenAI(base_url=str(ana.base_url), api_key="wrong", max_retries=0)
    long = [{"role": "user", "content": "word " * (MOST_TOKENS // 4)}]
    huge = [{"role": "user", "content": "word " * 250_000}]
    chat = ana.chat.completions.create
    tries = {
        "a wrong key": lambda: no_key.chat.completions.create(**body),
        "another path (/slots)": lambda: ana.get("/slots", cast_to=object),
        "100,000 tokens to write": lambda: chat(**body | {"max_tokens": 100_000}),
        "a field that is not known": lambda: chat(**body, extra_body={"n_predict": -1}),
        "a prompt beyond the hour's tokens": lambda: chat(**body | {"messages": long}),
        "a request of more than a megabyte": lambda: chat(**body | {"messages": huge}),
    }
    rows = []
    for name, ask in tries.items():
        try:
            ask()
            rows.append([name, "answered", "", ""])
        except APIStatusError as error:
            rows.append([name, *tell_refusal(error)])
        except Exception as error:  # the connection was closed while the caller still wrote
            rows.append([name, "closed", "", type(error).__name__])
    rows.append(crowd(house, body))
    return rows


def tell_refusal(error: APIStatusError) -> list[str]:
    """Return status, seconds to wait and message of a refusal."""
    said = error.body.get("message", "") if isinstance(error.body, dict) else str(error.body)
    return [str(error.status_code), error.response.headers.get("retry-after", ""), said or "the connection was closed"]


def crowd(house: House, body: dict) -> list[str]:
    """Return the row of a caller who asks more at once than may wait: how many were answered, how many refused and how."""
    num, told, answered = house.places + MOST_WAITING + 6, [], 0
    client = house.connect("hasty")

    def ask(_: int) -> bool:
        try:
            client.chat.completions.create(**body)
        except APIStatusError as error:
            told.append(tell_refusal(error))
            return False
        return True

    with ThreadPoolExecutor(num) as pool:
        answered = sum(pool.map(ask, range(num)))
    name = f"{num} calls of one caller at once: {answered} answered, {len(told)} refused"
    return [name, *(told[0] if told else ["", "", ""])]


def leave_early(house: House) -> float:
    """Return the seconds until the place of a caller who left in the middle of the stream is free again."""
    client = house.connect("leaver")
    messages = [{"role": "user", "content": house.write_prompt()}]
    stream = client.chat.completions.create(model=house.model, messages=messages, max_tokens=1000, stream=True)
    next(iter(stream))
    stream.close()
    started = time.perf_counter()
    while house.turns.num_free < house.places and time.perf_counter() - started < 60:
        time.sleep(0.01)
    return time.perf_counter() - started


def main() -> None:
    """Run the loads, print the tables, and store the calls where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="of each load (default: 60)")
    parser.add_argument("--store", action="store_true", help=f"write {STORED.name}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        with house.gateway.listen("127.0.0.1", 0) as house.port:
            house.ask(house.connect("warm"), "Hello.")
            loads = [run_load(house, num, options.seconds) for num in CALLERS]
            print(
                f"{house.model}, {house.places} places, answers of at most {MAX_TOKENS} tokens, seconds at the caller\n"
            )
            print_table(HEADS, [show_load(load) for load in loads])
            for load in loads:
                print(f"\n{load.calls[0].callers} callers, lost:", load.lost)
            again = [(prompt, text) for load in loads for prompt, text in list(load.texts.items())[:2]]
            alone = house.connect("alone")
            same = sum(house.ask(alone, prompt)[2] == text for prompt, text in again)
            print(f"\nAsked again, alone: {same} of {len(again)} answers are the same text.\n")
            print_table(["request", "status", "wait", "message"], list_refusals(house))
            print(f"\nA caller left in the middle: the place was free again after {leave_early(house):.2f} s.")
            house.ask(house.connect("last"), "Hello.")
    if options.store:
        with STORED.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([one.name for one in fields(Call)])
            rows = (astuple(call) for load in loads for call in load.calls)
            writer.writerows(
                [callers, *(f"{value:.3f}" for value in times), tokens] for callers, *times, tokens in rows
            )
        print(f"Written: {STORED.name}")


if __name__ == "__main__":
    main()
