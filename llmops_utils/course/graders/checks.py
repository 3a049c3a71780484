"""What graders use: call the learner's code, compare what it returns, and say in what it is not right."""

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, get_args

from ...core import clean_text
from ...models import Model

MOST_SHOWN = 300  # characters of a value in a message
GRADERS: dict[str, Callable] = {}  # by the id of the exercise


def grades(id: str) -> Callable[[Callable], Callable]:
    """Return a decorator that makes a function the grader of the exercise with this id."""
    return lambda grader: GRADERS.setdefault(id, grader)


class Wrong(Exception):
    """Raised by a grader: the answer is not right; the text says in what, without giving it away."""


class LearnerCodeRaised(Exception):
    """The learner's function raised; `cause` is what it raised."""

    def __init__(self, cause: BaseException, arguments: tuple) -> None:
        super().__init__(tell_error(cause))
        self.cause = cause
        self.arguments = arguments


def tell_error(error: BaseException) -> str:
    """Return an error of the learner's code in words: its kind and what it says, long ones cut."""
    ends = "" if isinstance(error, Exception) else "Your code ended: "  # by sys.exit(), say
    try:
        return clean_text(f"{ends}{type(error).__name__}: {error}")[: 10 * MOST_SHOWN]
    except Exception:  # of an error of the learner's own making
        return f"{ends}{type(error).__name__}"


def call_learner(function: Callable, *arguments: Any) -> Any:
    """Return what the learner's function returns; what it raises, `sys.exit()` too, becomes `LearnerCodeRaised`."""
    try:
        return function(*arguments)
    except (Wrong, LearnerCodeRaised, KeyboardInterrupt):  # of a grader around it; of who stops an endless loop
        raise
    except BaseException as error:
        raise LearnerCodeRaised(error, arguments) from error


def check_cases(
    function: Callable,
    cases: Iterable[tuple],
    kind: Any,
    form: str,
    *,
    given: Callable[..., str] | None = None,
    read: Callable[[Any], Any] = lambda found: found,
    explain: str | Callable[..., str] = "",
    tolerance: float = 1e-9,
    keeps: bool = False,
) -> None:
    """Raise `Wrong` at the first case that the learner's function gets wrong, with its arguments and its result.

    Args:
        function: what the learner wrote; it is given copies.
        cases: (arguments, expected) or (arguments, expected, why). `arguments` is a tuple or a single one; an expected
            tuple stands for several results, of which the learner must return as many.
        kind: the types that are asked for, such as `Real | None`; True and False are no numbers.
        form: the same in words: “return …”.
        given: a function of the arguments that tells them; without it, they are told by their names.
        read: what of the result is compared and told.
        explain: a sentence on what may be wrong, or a function of the result, the expected one and the arguments.
        tolerance: of numbers, as a share of the expected one, and absolute below 1.
        keeps: whether the function must leave its arguments as they are.
    """
    for arguments, expected, *why in cases:
        arguments = arguments if isinstance(arguments, tuple) else (arguments,)
        copies = copy.deepcopy(arguments)
        returned = call_learner(function, *copies)
        told = f"For {tell_arguments(function, arguments, given)} it"
        reason = f": {why[0]}." if why else "."
        is_short = isinstance(expected, tuple) and is_of(returned, kind) and len(returned) != len(expected)
        if is_short or not is_of(returned, kind):
            noun = "" if returned is None else f", of type {type(returned).__name__}"
            raise Wrong(f"{told} returned {show(returned)}{noun}{reason} Return {form}.")
        if keeps and repr(copies) != repr(arguments):
            raise Wrong(f"{told} changed what it was given. Work on a copy.")
        found = read(returned)
        if not is_right(found, expected, tolerance):
            remark = explain(found, expected, *arguments) if callable(explain) else explain
            raise Wrong(f"{told} returned {show(found)}{reason} {remark}".rstrip())


def check_letters(
    answer: Any,
    right: Mapping[str, Any],
    options: Sequence,
    advice: str | Callable[[list[str]], str] = "",
    kind: str = "",
) -> None:
    """Raise `Wrong` unless a dict gives each letter its option; how many are right is told, and not which.

    Args:
        advice: what is said after the number, or a function of the letters that are not right.
        kind: what an unknown answer is said to be none of; the options themselves where it is empty.
    """
    listed = ", ".join(map(str, options))
    form = f"Make a dict of the letters {', '.join(right)}, each with one of {listed}."
    if not isinstance(answer, dict) or set(answer) != set(right):
        raise Wrong(f"It is {show(answer)}. {form}")
    for value in answer.values():
        if not any(
            value is one or (isinstance(one, str) and isinstance(value, str) and value == one) for one in options
        ):
            raise Wrong(f"{show(value)} is none of {kind or listed}. {form}")
    if missed := [letter for letter, option in right.items() if answer[letter] != option]:
        said = advice(missed) if callable(advice) else advice
        raise Wrong(f"{len(right) - len(missed)} of {len(right)} are right. {said}".strip())


def is_of(value: object, kind: Any) -> bool:
    """Return whether a value is of these types; True and False are so only where `bool` is among them."""
    takes_bool = kind is object or bool in (kind, *get_args(kind))
    return isinstance(value, kind) and (takes_bool or not isinstance(value, bool))


def is_right(found: Any, expected: Any, tolerance: float = 1e-9) -> bool:
    """Return whether two values are equal: numbers within the tolerance, sequences and dicts part by part."""
    if isinstance(found, bool) or isinstance(expected, bool) or expected is None:
        return found is expected
    if isinstance(expected, Real):
        # Turned round, so that nan, which is neither near nor far, is not right.
        return isinstance(found, Real) and bool(abs(found - expected) <= tolerance * max(1.0, abs(expected)))
    if isinstance(expected, dict):
        same_names = isinstance(found, dict) and found.keys() == expected.keys()
        return same_names and all(is_right(found[name], expected[name], tolerance) for name in expected)
    if isinstance(expected, list | tuple):
        same_length = isinstance(found, list | tuple) and len(found) == len(expected)
        return same_length and all(is_right(one, other, tolerance) for one, other in zip(found, expected, strict=True))
    return bool(found == expected)


def show(value: object) -> str:
    """Return a value as it stands in a message: numbers with six digits, long ones cut."""
    if isinstance(value, Integral):
        return str(value)
    if isinstance(value, Real):
        return f"{float(value):.6g}"
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]} …"


def tell_arguments(function: Callable, arguments: tuple, given: Callable[..., str] | None = None) -> str:
    """Return arguments in words: several by the names that the learner's function gives them."""
    if given:
        return given(*arguments)
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    if len(arguments) == 1 or len(names) != len(arguments):
        return ", ".join(map(repr, arguments))
    return ", ".join(f"{name} = {value!r}" for name, value in zip(names, arguments, strict=True))


def call_for_text(function: Callable, *arguments: Any) -> str:
    """Return the text that the learner's function returns; anything else is `Wrong`."""
    found = call_learner(function, *arguments)
    if not isinstance(found, str):
        raise Wrong(f"For {tell_arguments(function, arguments)[:MOST_SHOWN]} it returned {show(found)}. Return a text.")
    return found


def check_names(answer: Any, names: Iterable[str], form: str) -> None:
    """Raise `Wrong` unless the answer is a dict with exactly these names."""
    if not isinstance(answer, dict) or set(answer) != set(names):
        raise Wrong(f"It is {show(answer)}. {form}")


def check_version(call: Callable[..., str], base: tuple, turned: tuple, others: Mapping[str, tuple]) -> None:
    """Raise `Wrong` unless a request, turned round or not, has one version, and each of the others another."""
    first = call(*base)
    if call(*base) != first or call(*turned) != first:
        raise Wrong("The same request got two versions. In what order are the options written, and is anything drawn?")
    if kept := [name for name, one in others.items() if call(*one) == first]:
        raise Wrong(f"It does not see: {', '.join(kept)}.")


def tell_count(num_right: int, num: int, what: str, least: int) -> str:
    """Return how many of so many things are right, or raise `Wrong` with it where that is less than is asked for."""
    told = f"{num_right} of {num} {what} were right; {least} {'are' if num_right < least else 'were'} asked for."
    if num_right < least:
        raise Wrong(told)
    return told


def tell_expected(found: object, expected: object, *arguments: Any) -> str:
    """Return the sentence that tells what was asked for, as `explain` of `check_cases`."""
    return f"Asked for was {show(expected)}."


def find_variable(name: str) -> Any:
    """Return what a name stands for in the notebook; None without a notebook, or where it has no such name."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell.user_ns.get(name) if shell is not None else None


def find_model(chapter: str) -> Any:
    """Return the model of the notebook, or one of the chapter's own where there is none."""
    model = find_variable("model")
    return Model(chapter) if model is None else model
