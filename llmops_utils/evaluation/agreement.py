"""How far a judge agrees with labelled answers: percent, Cohen's kappa with its interval, confusion."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core import DataError
from .metrics import Estimate, Proportion, estimate_proportion
from .scorers import spell

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Agreement:
    """A judge's grades beside the labels of the same answers."""

    table: pandas.DataFrame  # how often each occurs: a row per label, a column per grade of the judge
    share: Proportion  # how often both say the same
    kappa: Estimate  # the share above what chance alone would give, 1 at most; below 0 is less than chance

    def __str__(self) -> str:
        return f"agreement {self.share}, kappa {self.kappa}"

    __repr__ = __str__


def measure_agreement(
    grades: Sequence[object],
    labels: Sequence[str],
    groups: Sequence[Hashable] | None = None,
) -> Agreement:
    """Return how far a judge's grades agree with the labels of the same answers.

    A grade that is none of the labels never agrees. Answers that share a group, such as their question, are alike, so
    the interval of kappa comes from a bootstrap over whole groups; without `groups` each answer is one. The share's
    interval is Wilson's, for independent answers. All have shape (n,), n at least 2.
    """
    import pandas

    if len(grades) != len(labels) or len(labels) < 2:
        raise DataError(
            f"{len(grades)} grades and {len(labels)} labels do not pair.",
            "Give one grade for each of 2 labels or more.",
        )
    spelled, wanted = [spell(grade) or str(grade) for grade in grades], [spell(label) or "" for label in labels]
    if "" in wanted:
        raise DataError("A label is missing, or no text.", "Give a text for each answer.")
    groups = range(len(labels)) if groups is None else groups
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    if len(groups) != len(labels) or len(numbers) < 2:
        raise DataError("The groups do not fit.", "Give one group per answer, and at least 2 different ones.")
    names = list(dict.fromkeys([*sorted(set(wanted)), *sorted(set(spelled))]))
    place = {name: index for index, name in enumerate(names)}
    tables = np.zeros((len(numbers), len(names), len(names)), dtype=int)
    for group, label, grade in zip(groups, wanted, spelled, strict=True):
        tables[numbers[group], place[label], place[grade]] += 1
    counts = tables.sum(axis=0)
    # A resample draws as many groups as there are; how often each is drawn is multinomial.
    times = np.random.default_rng(0).multinomial(len(tables), [1 / len(tables)] * len(tables), 2000)
    kappa = compute_kappa(counts)
    low, high = np.nanquantile(_compute_kappas(np.tensordot(times, tables, 1)), [0.025, 0.975])
    share = estimate_proportion(int(np.trace(counts)), len(labels))
    index, columns = pandas.Index(names, name="label"), pandas.Index(names, name="judge")
    return Agreement(pandas.DataFrame(counts, index, columns), share, Estimate(kappa, float(low), float(high)))


def compute_kappa(counts: ArrayLike) -> float:
    """Return Cohen's kappa of a square table of counts: (agreement - chance) / (1 - chance).

    Source: J. Cohen, A coefficient of agreement for nominal scales, Educ. Psychol. Meas. 20 (1960).
    """
    table = np.asarray(counts, dtype=float)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or (table < 0).any() or table.sum() == 0:
        raise DataError("The counts are no square table.", "Give a row and a column for each grade.")
    kappa = float(_compute_kappas(table[None])[0])
    if np.isnan(kappa):
        raise DataError("Both always gave the same grade: kappa is not defined.", "Choose answers with more than one.")
    return kappa


def _compute_kappas(tables: np.ndarray) -> np.ndarray:
    """Return kappa of each table, shape (n,), nan where both always gave the same grade."""
    shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    chance[np.isclose(chance, 1.0)] = np.nan
    return (np.trace(shares, axis1=1, axis2=2) - chance) / (1 - chance)
