"""The sandbox of the prompts' templates.

The templates are Jinja2 in its sandbox. A prompt may come from somebody else: it is parsed and not compiled until it is
rendered, calls and computes nothing, knows no command that may call itself, and of filters those whose results stay
small; whatever it makes is counted, and so is its time. That does not make the template of an author who means harm
safe. Values are inserted as text and never read as templates, but a template may read the public attributes of an
object that you pass: pass plain data.
"""

from __future__ import annotations

import functools
import itertools
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache

MOST_LETTERS = 1_000_000  # of a rendered element, and of any text or list on the way; all of those: 20 times as many
MOST_TOKENS = 20_000  # of a template, without its texts
MOST_S = 1.0  # of the processor, for one element
PER_ITEM = 10  # letters that an item of a list counts for besides its own
# What a template may use: commands, and filters that make nothing much larger than what they are given.
COMMANDS = ("Output", "If", "For", "Assign", "With")
FILTERS = (
    "abs attr capitalize count d default dictsort e escape first float int items join last length list lower map max min "
    "reject rejectattr reverse round select selectattr sort string title tojson trim truncate unique upper wordcount"
)
_left: ContextVar[list] = ContextVar("_left")  # while an element is rendered: letters, and the end of its time


def _check_output(value: object) -> object:
    """Refuse what would silently print as `None` or, different in each run, as `<function … at 0x7f…>`."""
    from jinja2 import Undefined

    if isinstance(value, str | Undefined):
        return value
    if str(value) in ("None", "nan", "<NA>", "NaT"):
        raise TypeError(f"an expression gives {value}, a gap in the data, not text")
    if callable(value) or isinstance(value, Iterator):
        raise TypeError(f"an expression gives a {type(value).__name__}, not text (use a filter, such as | join)")
    return value


def _measure(value: object) -> int:
    """Return about how many letters a value takes, what it holds twice counted twice; little more than is allowed."""
    size, parts = 0, [value]
    while parts and size <= MOST_LETTERS:
        part = parts.pop()
        if isinstance(part, str | bytes):
            size += len(part)
        elif isinstance(part, list | tuple | set | frozenset | Mapping):
            size += PER_ITEM * len(part)
            if size <= MOST_LETTERS:
                parts += part.items() if isinstance(part, Mapping) else part
    return size


def _check_size(value):
    """Return what an expression made; raise where that, or all until now, is too large or took too long."""
    if isinstance(value, Iterator):
        return _count_items(value)
    left, size = _left.get(), _measure(value)
    left[0] -= size
    if size > MOST_LETTERS or left[0] < 0:
        raise ValueError(f"it grows beyond {MOST_LETTERS:,}")
    if time.thread_time() > left[1]:
        raise ValueError(f"it takes longer than {MOST_S:g} s")
    return value


def _count_items(items: Iterable) -> Iterator:
    for item in items:
        _check_size([item])
        yield item


def _join_texts(values: Iterable, separator: object = "") -> str:
    parts = _count_items(str(part) for value in values for part in (separator, value))
    return "".join(itertools.islice(parts, 1, None))


def _bound_filter(run):
    return functools.wraps(run)(lambda *arguments, **named: _check_size(run(*arguments, **named)))


@lru_cache(maxsize=1)
def _build_sandbox():
    from jinja2 import StrictUndefined, nodes
    from jinja2.compiler import CodeGenerator
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class BoundedCode(CodeGenerator):
        looped = None  # what the loop runs over that is being written

        def visit(self, node, *arguments):
            is_slice = isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice)
            is_made = isinstance(node, nodes.List | nodes.Tuple | nodes.Dict) and getattr(node, "ctx", "load") == "load"
            check = "check_size" if is_made or is_slice else ""
            if isinstance(node, nodes.For):
                self.looped = node.iter
            elif node is self.looped:
                check = "count_items"
            self.write(f"environment.{check}(" if check else "")
            super().visit(node, *arguments)
            self.write(")" if check else "")

    class Sandbox(ImmutableSandboxedEnvironment):
        code_generator_class = BoundedCode
        check_size, count_items = map(staticmethod, (_check_size, _count_items))

    # Unoptimised: else constants are computed while it is compiled.
    sandbox = Sandbox(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_check_output,
        optimized=False,
    )
    # Without `dict`, `range` and the rest a variable of that name is missed like any other; without `random` the same
    # values give the same text.
    sandbox.globals = {}
    # Jinja's own would indent by a billion, and round to a billion of digits.
    sandbox.policies["json.dumps_function"] = lambda value, sort_keys: json.dumps(value, sort_keys=sort_keys)
    own = {"join": _join_texts, "round": lambda value, precision=0: round(value, max(precision, -99))}
    sandbox.filters = {name: _bound_filter((sandbox.filters | own)[name]) for name in FILTERS.split()}
    return sandbox


@lru_cache(maxsize=512)
def list_template_variables(text: str) -> frozenset[str]:
    """Return the names of a template's variables; parses it and runs nothing of it."""
    from jinja2 import TemplateAssertionError, nodes
    from jinja2.meta import find_undeclared_variables

    sandbox = _build_sandbox()
    if next(itertools.islice(sandbox.lex(text), MOST_TOKENS, None), None):
        raise ValueError(f"its commands and expressions have more than {MOST_TOKENS:,} signs")
    tree = sandbox.parse(text)
    for found in tree.find_all((nodes.Filter, nodes.Test)):
        kind, known = ("filter", sandbox.filters) if isinstance(found, nodes.Filter) else ("test", sandbox.tests)
        if found.name not in known:
            raise TemplateAssertionError(f"No {kind} named {found.name!r}", found.lineno)
    for found in tree.find_all(nodes.Stmt):
        if type(found).__name__ not in COMMANDS or getattr(found, "recursive", False):
            problem = "a prompt knows the commands if, for, set and with, in their plain forms"
            raise TemplateAssertionError(problem, found.lineno)
    for found in tree.find_all((nodes.Call, nodes.BinExpr, nodes.Concat)):
        if not isinstance(found, nodes.And | nodes.Or):
            raise TemplateAssertionError("a prompt calls and computes nothing; filters do that", found.lineno)
    return frozenset(find_undeclared_variables(tree))


@lru_cache(maxsize=512)
def _compile_template(text: str):
    return _build_sandbox().from_string(text)


def render_template(text: str, variables: dict[str, object]) -> str:
    """Return a rendered template; whatever an expression of it raises comes out."""
    _left.set([20 * MOST_LETTERS, time.thread_time() + MOST_S])
    pieces, num_letters = [], 0
    for piece in _compile_template(text).generate(variables):
        num_letters += len(piece)
        if num_letters > MOST_LETTERS:
            raise ValueError(f"it grows beyond {MOST_LETTERS:,} letters")
        pieces.append(piece)
    return "".join(pieces)
