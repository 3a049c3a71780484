"""Claims about power: it is the exact sum over all outcomes, and impossible claims are refused."""

import pytest
from scipy.stats import binomtest, multinomial

from llmops_utils.core import DataError
from llmops_utils.evaluation import compute_power, find_num_examples


def test_power_is_the_exact_chance_that_the_test_itself_finds_the_better_system():
    for num, gained, lost in [(12, 0.4, 0.1), (50, 0.2, 0.05), (60, 0.1, 0.0)]:
        pairs = [(better, worse) for better in range(num + 1) for worse in range(min(better, num - better + 1))]
        chances = multinomial.pmf([(*pair, num - sum(pair)) for pair in pairs], num, [gained, lost, 1 - gained - lost])
        likely = zip(pairs, chances, strict=True)
        found = [chance for pair, chance in likely if chance > 1e-12 and binomtest(pair[0], sum(pair)).pvalue <= 0.05]
        assert compute_power(num, gained, lost) == pytest.approx(sum(found), abs=1e-8)
    assert (compute_power(5, 1.0, 0.0), compute_power(6, 1.0, 0.0)) == (0, pytest.approx(1))  # five never suffice


# For 0.45 and 0.05 the approximation of R. J. Connor, Biometrics 43 (1987), gives 23, somewhat too low for the exact test.
def test_the_number_found_is_the_first_that_stays_sufficient():
    claims = {(0.45, 0.05): 25, (0.2, 0.1): 249, (0.15, 0.05): 168, (0.3, 0.1): 84, (0.12, 0.02): 114, (0.06, 0.0): 131}
    claims[0.9, 0.08] = 12  # 10 suffice and 11 do not
    for (gained, lost), num in claims.items():
        assert find_num_examples(gained, lost) == num
        assert compute_power(num - 1, gained, lost) < 0.8
        assert min(compute_power(more, gained, lost) for more in range(num, num + 40)) >= 0.8


def test_what_cannot_be_planned_with_raises():
    nan = float("nan")
    for gained, lost in [(0.1, 0.1), (0.1, 0.2), (0.7, 0.4), (1.2, 0.0), (0.1, -0.1), (0.0, 0.0), (nan, 0.1)]:
        with pytest.raises(DataError, match="no claim to test"):
            find_num_examples(gained, lost)
    with pytest.raises(DataError, match="0 examples are no claim to test"):
        compute_power(0, 0.2, 0.1)
    with pytest.raises(DataError, match="80 is no power"):
        find_num_examples(0.2, 0.1, power=80)
    with pytest.raises(DataError, match="20000 examples do not give a power of 80%"):
        find_num_examples(0.101, 0.1)
