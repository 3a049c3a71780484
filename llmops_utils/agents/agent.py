"""A ReAct agent: thought, action and observation in turn, each step held to a schema."""

from __future__ import annotations

import contextvars
import html
import inspect
import json
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from ..core import DataError, Html, draw_table
from ..models import Model, Reply, close_schema

MAX_OBSERVATION = 400  # characters; a longer one would push the question out of a small context window
MAX_THOUGHT = 120  # characters, also of an argument
TOOL_TIMEOUT_S = 5.0
JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


@dataclass(frozen=True)
class Tool:
    """A function that an agent may call; the model reads its name and description, and `parameters`, a JSON schema."""

    name: str
    description: str
    parameters: dict
    function: Callable = field(compare=False, repr=False)


def make_tool(function: Callable) -> Tool:
    """Return a tool from a plain function. Raises `DataError` unless it has such type hints and a docstring."""
    properties = {}
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        kind = JSON_TYPES.get(parameter.annotation)
        if kind is None or parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise DataError(
                f"The parameter {name} of {function.__name__} has no type that a tool can take.",
                "Give it one of the hints str, int, float or bool.",
            )
        properties[name] = {"type": kind}
    description = (function.__doc__ or "").strip().partition("\n")[0]
    if not description:
        raise DataError(f"{function.__name__} has no docstring.", "Write one line that tells the model what it does.")
    return Tool(function.__name__, description, close_schema({"type": "object", "properties": properties}), function)


@dataclass(frozen=True)
class Step:
    """One turn: the model's thought, the action with its argument, and what came back. `error` marks a failed tool."""

    thought: str
    action: str
    argument: str
    observation: str
    is_error: bool = False


@dataclass(frozen=True)
class Trace:
    """An agent's way from the question to its answer, None where it gave none; `replies` has one reply per step."""

    question: str
    answer: str | None
    steps: tuple[Step, ...]  # without the last one, "finish"
    outcome: str  # `finished`, `step limit` or `broken step`
    replies: tuple[Reply, ...] = field(default=(), repr=False)

    @property
    def actions(self) -> tuple[str, ...]:
        """The names of the tools in the order of their calls."""
        return tuple(step.action for step in self.steps)

    def to_dicts(self) -> list[dict]:
        """Return the steps as dicts that JSON can hold."""
        return [asdict(step) for step in self.steps]

    def _repr_html_(self) -> str:
        return draw_trace(self)


def draw_trace(trace: Trace, num_steps: int | None = None) -> str:
    """Return the first steps of a trace, or all with its answer, as an HTML table."""
    shown = trace.steps if num_steps is None else trace.steps[:num_steps]
    rows = []
    for number, step in enumerate(shown, 1):
        action = Html(f"<code>{html.escape(step.action)}({html.escape(step.argument)})</code>")
        rows.append((number, step.thought, action, ("⚠ " if step.is_error else "") + step.observation))
    end = ""
    if num_steps is None or num_steps > len(trace.steps):
        end = f"<div><b>Answer:</b> {html.escape(str(trace.answer))} ({trace.outcome})</div>"
    table = draw_table(("step", "thought", "action", "observation"), rows, align="rl")
    return f"<div><b>Question:</b> {html.escape(trace.question)}</div>{table}{end}"


class Agent:
    """Answers questions with tools: at each step the model thinks, then acts or finishes.

    Every step is one reply in JSON, held to a schema: a thought, the name of a tool or `finish`, and one argument.
    A tool that raises, takes longer than `TOOL_TIMEOUT_S` or gets an argument that it cannot take yields an observation
    that says so, and the model goes on. Python cannot end a thread: code that may never end belongs into the sandbox.

    Args:
        model: which needs the capability json_schema.
        tools: with one parameter each.
        examples: worked traces that stand before the question; a small model needs them.
        max_steps: most steps, the finishing one among them.
    """

    def __init__(
        self,
        model: Model,
        tools: Sequence[Callable | Tool],
        examples: Sequence[Trace] = (),
        *,
        max_steps: int = 4,
    ) -> None:
        made = [tool if isinstance(tool, Tool) else make_tool(tool) for tool in tools]
        self.tools = {tool.name: tool for tool in made}
        if len(self.tools) != len(made) or not made or "finish" in self.tools:
            raise DataError("There is no tool, two share a name, or one is called finish.", "Name each tool once.")
        for tool in made:
            if len(tool.parameters["properties"]) != 1:
                raise DataError(
                    f"The tool {tool.name} does not take exactly one argument.", "Wrap it in one that does."
                )
        self.model, self.max_steps = model, max_steps
        # The order of the fields matters: the thought is written before the action that it leads to.
        properties = {
            "thought": {"type": "string", "maxLength": MAX_THOUGHT},
            "action": {"type": "string", "enum": [*self.tools, "finish"]},
            "argument": {"type": "string", "maxLength": MAX_THOUGHT},
        }
        self.schema = close_schema({"type": "object", "properties": properties})
        told = "\n".join(f"- {tool.name}: {tool.description}" for tool in made)
        instruction = f"Answer the question with the tools.\n{told}\n- finish: gives the answer\n"
        self.prefix = [{"role": "system", "content": f"{instruction}Reply in JSON, one step at a time."}]
        for example in examples:
            if example.answer is None:
                raise DataError("An example of the agent has no answer.", "Show only traces that were finished.")
            self.prefix.append({"role": "user", "content": example.question})
            for step in example.steps:
                self.prefix += _write_step(step)
            self.prefix += _write_step(Step("I know the answer.", "finish", example.answer, ""))[:1]

    def run(self, question: str) -> Trace:
        """Return the trace of answering a question. Raises what the model raises."""
        messages = [*self.prefix, {"role": "user", "content": question}]
        steps: list[Step] = []
        replies: list[Reply] = []
        for _ in range(self.max_steps):
            reply = self.model.chat(messages, schema=self.schema, max_tokens=160)
            replies.append(reply)
            if not isinstance(reply.parsed, dict):
                return Trace(question, None, tuple(steps), "broken step", tuple(replies))
            thought, action, argument = (str(reply.parsed.get(key, "")) for key in ("thought", "action", "argument"))
            if action == "finish":
                return Trace(question, argument, tuple(steps), "finished", tuple(replies))
            steps.append(Step(thought, action, argument, *self._act(action, argument)))
            messages += _write_step(steps[-1])
        return Trace(question, None, tuple(steps), "step limit", tuple(replies))

    def _act(self, action: str, argument: str) -> tuple[str, bool]:
        """Return what a tool gave, or what went wrong, and whether it went wrong."""
        tool = self.tools.get(action)
        if tool is None:
            return f"There is no tool {action}. Tools: {', '.join(self.tools)}.", True
        ((name, described),) = tool.parameters["properties"].items()
        try:
            value = _convert(argument, described["type"])
        except (ValueError, KeyError):
            return f"{action} takes a value of type {described['type']}, not “{argument}”.", True
        results: queue.Queue = queue.Queue()

        def work() -> None:
            try:
                results.put((str(tool.function(**{name: value})), False))
            except BaseException as error:  # also SystemExit: a tool must not end the notebook
                results.put((f"{action} failed: {type(error).__name__}: {error}", True))

        # In a copy of the context, so that a tool's spans find the request that they belong to.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(work,), daemon=True, name=f"tool {action}").start()
        try:
            text, is_error = results.get(timeout=TOOL_TIMEOUT_S)
        except queue.Empty:
            return f"{action} gave no result within {TOOL_TIMEOUT_S:g} s.", True
        cut = " …" if len(text) > MAX_OBSERVATION else ""
        return text[:MAX_OBSERVATION] + cut, is_error


def _convert(argument: str, kind: str) -> object:
    if kind == "boolean":
        return {"true": True, "false": False}[argument.strip().lower()]
    return {"string": str, "integer": int, "number": float}[kind](argument)


def _write_step(step: Step) -> list[dict]:
    """Return a step as the model writes it, and the observation that follows."""
    written = {"thought": step.thought, "action": step.action, "argument": step.argument}
    return [
        {"role": "assistant", "content": json.dumps(written, ensure_ascii=False)},
        {"role": "user", "content": f"Observation: {step.observation}"},
    ]
