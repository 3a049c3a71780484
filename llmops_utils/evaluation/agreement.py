"""How far a judge agrees with labelled answers: percent, Cohen's kappa with its interval, confusion."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core import DataError
from .metrics import CONFIDENCE, Estimate, Proportion, estimate_proportion, find_z

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Agreement:
    """A judge's grades beside the labels of the same answers.

    Attributes:
        table: how often each occurs: a row per label, a column per grade of the judge.
        share: how often both say the same.
        kappa: the share above what chance alone would give, 1 at most; 0 is chance, below 0 is less than chance.
    """

    table: pandas.DataFrame
    share: Proportion
    kappa: Estimate

    def __str__(self) -> str:
        return f"agreement {self.share}, kappa {self.kappa}"

    __repr__ = __str__


def measure_agreement(
    grades: Sequence[object],
    labels: Sequence[str],
    groups: Sequence[Hashable] | None = None,
) -> Agreement:
    """Return how far a judge's grades agree with the labels of the same answers.

    A grade that is none of the labels is counted as a grade of its own, so it never agrees.

    Args:
        grades: the judge's, shape (n,).
        labels: the right ones, shape (n,), n at least 2.
        groups: what the answers share, such as their question. Answers to one question are alike, so the interval of
            kappa then comes from a bootstrap over whole groups; without groups it is the large-sample one. The
            share's interval is Wilson's in both cases and takes the answers as independent.
    """
    import pandas

    if len(grades) != len(labels) or len(labels) < 2:
        raise DataError(
            f"{len(grades)} grades and {len(labels)} labels do not pair.",
            "Give one grade for each of 2 labels or more.",
        )
    spelled = [str(grade) for grade in grades]
    names = list(dict.fromkeys([*sorted(set(map(str, labels))), *sorted(set(spelled))]))
    place = {name: index for index, name in enumerate(names)}
    cells = np.array([(place[str(label)], place[grade]) for label, grade in zip(labels, spelled, strict=True)])
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, tuple(cells.T), 1)
    kappa = estimate_kappa(counts) if groups is None else _resample_kappa(cells, counts, groups)
    share = estimate_proportion(int(np.trace(counts)), len(labels))
    index, columns = pandas.Index(names, name="label"), pandas.Index(names, name="judge")
    return Agreement(pandas.DataFrame(counts, index, columns), share, kappa)


def compute_kappa(counts: ArrayLike) -> float:
    """Return Cohen's kappa of a square table of counts: (agreement - chance) / (1 - chance).

    Chance is how often two raters would agree who use each grade as often as these do, but blindly. Where both always
    gave one and the same grade, there is no kappa.

    Source: J. Cohen, A coefficient of agreement for nominal scales, Educ. Psychol. Meas. 20 (1960).
    """
    shares = _check_table(counts)
    chance = float(shares.sum(axis=0) @ shares.sum(axis=1))
    return (float(np.trace(shares)) - chance) / (1 - chance)


def estimate_kappa(counts: ArrayLike) -> Estimate:
    """Return Cohen's kappa of a square table of counts with its large-sample interval.

    A judge that gives one grade to all has a kappa of 0 whatever the answers are, and the interval has no width then.

    Source: J. L. Fleiss, J. Cohen and B. S. Everitt, Large sample standard errors of kappa and weighted kappa,
    Psychological Bulletin 72 (1969).
    """
    shares, num = _check_table(counts), float(np.sum(counts))
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    chance, kappa = float(rows @ columns), compute_kappa(counts)
    agreeing = np.diag(shares) @ (1 - (rows + columns) * (1 - kappa)) ** 2
    # A cell (i, j) off the diagonal weighs with the share of j among the rows and that of i among the columns.
    apart = shares * (columns[:, None] + rows[None, :]) ** 2
    disagreeing = (1 - kappa) ** 2 * (apart.sum() - np.trace(apart))
    variance = (agreeing + disagreeing - (kappa - chance * (1 - kappa)) ** 2) / (num * (1 - chance) ** 2)
    reach = find_z(CONFIDENCE) * float(np.sqrt(max(variance, 0.0)))
    return Estimate(kappa, max(kappa - reach, -1.0), min(kappa + reach, 1.0))


def _check_table(counts: ArrayLike) -> np.ndarray:
    """Return the shares of a table of counts that has a kappa, shape (k, k)."""
    table = np.asarray(counts, dtype=float)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or (table < 0).any() or table.sum() == 0:
        raise DataError("The counts are no square table.", "Give a row and a column for each grade.")
    shares = table / table.sum()
    if np.isclose(shares.sum(axis=0) @ shares.sum(axis=1), 1.0):
        raise DataError("Both always gave the same grade: kappa is not defined.", "Choose answers with more than one.")
    return shares


def _resample_kappa(cells: np.ndarray, counts: np.ndarray, groups: Sequence[Hashable]) -> Estimate:
    """Return kappa with the percentile bootstrap interval over whole groups."""
    if len(groups) != len(cells) or len(set(groups)) < 2:
        raise DataError("The groups do not fit.", "Give one group per answer, and at least 2 different ones.")
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    tables = np.zeros((len(numbers), *counts.shape))
    for group, (row, column) in zip(groups, cells, strict=True):
        tables[numbers[group], row, column] += 1
    # A resample draws as many groups as there are; how often each is drawn is multinomial.
    times = np.random.default_rng(0).multinomial(len(tables), [1 / len(tables)] * len(tables), 2000)
    drawn = np.tensordot(times, tables, 1)
    shares = drawn / drawn.sum(axis=(1, 2), keepdims=True)
    chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    has_kappa = ~np.isclose(chance, 1.0)
    agreeing = np.trace(shares, axis1=1, axis2=2)
    found = (agreeing - chance)[has_kappa] / (1 - chance)[has_kappa]
    low, high = np.quantile(found, [0.025, 0.975])
    return Estimate(compute_kappa(counts), float(low), float(high))
