"""The sandbox of the prompts' templates.

The templates are Jinja2 in its sandbox. A prompt may come from somebody else: it is parsed and not compiled until it is
rendered, knows only filters and methods of texts whose results stay small, and may not grow beyond `MOST_LETTERS`. That
does not make the template of an author who means harm safe. Values are inserted as text and never read as templates, but a
template may call the public methods of an object that you pass: pass plain data.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

MOST_LETTERS = 1_000_000  # of a rendered element, and of any text or list on the way
MOST_ROUNDS = 1000  # of a range
MOST_LOOPS = 2  # inside each other: rounds multiply
# What a template may use: filters, and methods of texts, that make nothing much larger than what they are given.
FILTERS = (
    "abs attr capitalize count d default dictsort e escape first float int items join last length list lower map max min "
    "reject rejectattr reverse round select selectattr sort string sum title tojson trim truncate unique upper wordcount"
)
TEXT_METHODS = (
    "capitalize casefold count endswith find isalpha isdigit lower lstrip removeprefix removesuffix rstrip split "
    "splitlines startswith strip title upper"
)


def _check_output(value: object) -> object:
    """Refuse what would silently print as `None` or, different in each run, as `<function … at 0x7f…>`."""
    from jinja2 import Undefined

    if isinstance(value, str | Undefined):
        return value
    if str(value) in ("None", "nan", "<NA>", "NaT"):
        raise TypeError(f"an expression gives {value}, a gap in the data, not text")
    if callable(value) or isinstance(value, Iterator):
        raise TypeError(f"an expression gives a {type(value).__name__}, not text (call it with (), or add | join)")
    return value


@lru_cache(maxsize=1)
def _build_sandbox():
    from jinja2 import StrictUndefined
    from jinja2.compiler import CodeGenerator
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    text_methods = TEXT_METHODS.split()

    class BoundedCode(CodeGenerator):
        def visit_Concat(self, node, frame):
            self.write("environment.join_texts(")
            for part in node.nodes:
                self.visit(part, frame)
                self.write(", ")
            self.write(")")

    class Sandbox(ImmutableSandboxedEnvironment):
        code_generator_class = BoundedCode
        intercepted_binops = frozenset(["+", "*", "**", "%"])

        def join_texts(self, *parts):
            return _check_size("".join(map(str, parts)))

        def call_binop(self, context, operator, left, right):
            is_power = operator == "**" and not (abs(left) <= MOST_LETTERS and abs(right) <= 64)
            is_format = operator == "%" and isinstance(left, str | bytes)
            sizes = [len(part) if hasattr(part, "__len__") else part for part in (left, right)]
            is_copied = operator == "*" and any(hasattr(part, "__len__") for part in (left, right))
            if is_power or is_format or (is_copied and sizes[0] * sizes[1] > MOST_LETTERS):
                raise ValueError(f"{operator} would make too much")
            return _check_size(super().call_binop(context, operator, left, right))

        def wrap_str_format(self, value):
            return None  # jinja's own would let "{:1500000000}" through; so it is refused below

        def is_safe_attribute(self, obj, attr, value):
            is_bounded = attr in text_methods or not isinstance(obj, str | bytes)
            return is_bounded and super().is_safe_attribute(obj, attr, value)

    # Unoptimised: else constants are computed while it is compiled.
    sandbox = Sandbox(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_check_output,
        optimized=False,
    )
    # Without `dict`, `lipsum` and the rest a variable of that name is missed like any other; without `random` the
    # same values give the same text.
    sandbox.globals = {"range": _count_range, "namespace": sandbox.globals["namespace"]}
    sandbox.filters = {name: sandbox.filters[name] for name in FILTERS.split()}
    return sandbox


def _check_size(value):
    if hasattr(value, "__len__") and len(value) > MOST_LETTERS:
        raise ValueError(f"it grows beyond {MOST_LETTERS:,}")
    return value


def _count_range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > MOST_ROUNDS:
        raise OverflowError(f"Range too big. The sandbox blocks ranges larger than {MOST_ROUNDS:,}")
    return numbers


@lru_cache(maxsize=512)
def list_template_variables(text: str) -> frozenset[str]:
    """Return the names of a template's variables; parses it and runs nothing of it."""
    from jinja2 import TemplateAssertionError, nodes
    from jinja2.meta import find_undeclared_variables

    sandbox = _build_sandbox()
    tree = sandbox.parse(text)
    for found in tree.find_all((nodes.Filter, nodes.Test)):
        kind, known = ("filter", sandbox.filters) if isinstance(found, nodes.Filter) else ("test", sandbox.tests)
        if found.name not in known:
            raise TemplateAssertionError(f"No {kind} named {found.name!r}", found.lineno)
    for outer in tree.find_all(nodes.For):
        if any(True for inner in outer.find_all(nodes.For) for _ in inner.find_all(nodes.For)):
            raise TemplateAssertionError(f"too many statically nested blocks: {MOST_LOOPS} loops at most", outer.lineno)
    return frozenset(find_undeclared_variables(tree))


@lru_cache(maxsize=512)
def _compile_template(text: str):
    return _build_sandbox().from_string(text)


def render_template(text: str, variables: dict[str, object]) -> str:
    """Return a rendered template; whatever an expression of it raises comes out."""
    pieces, num_letters = [], 0
    for piece in _compile_template(text).generate(variables):
        num_letters += len(piece)
        if num_letters > MOST_LETTERS:
            raise ValueError(f"it grows beyond {MOST_LETTERS:,} letters")
        pieces.append(piece)
    return "".join(pieces)
