"""Claims about the kept bench: models stand beside each other, the newest run counts, and replay writes nothing."""

from dataclasses import replace

import pytest

from llmops_utils.choosing import keep_bench, load_bench, make_bench_row, tabulate_bench
from llmops_utils.choosing.bench import BenchRow
from llmops_utils.core import DataError
from llmops_utils.datasets import Example
from llmops_utils.evaluation import ExactMatch, evaluate

ROW = BenchRow("small (here)", "intent", 40, 0.5, 0.35, 0.65)
OTHER = replace(ROW, task="extraction", score=0.8, low=0.65, high=0.9)
LARGE = replace(ROW, model="large (there)", score=0.9, low=0.77, high=0.96)


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    monkeypatch.setenv("LLMOPS_MODE", "live")
    return tmp_path


def test_models_stand_beside_each_other():
    assert load_bench() == {}
    keep_bench([ROW, LARGE, OTHER])
    assert load_bench() == {"large (there)": [LARGE], "small (here)": [ROW, OTHER]}
    table = tabulate_bench(load_bench([ROW, OTHER]))
    assert table.loc["intent", "large (there)"] == "90% [77%, 96%], n = 40"
    assert table.loc["extraction", "large (there)"] == "not measured"


def test_a_later_run_takes_the_place_of_the_earlier_one_also_before_it_is_kept():
    keep_bench([ROW, OTHER])
    better = replace(ROW, score=0.6)
    assert load_bench([better]) == {"small (here)": [better]}
    assert load_bench() == {"small (here)": [ROW, OTHER]}
    keep_bench([better])
    assert load_bench() == {"small (here)": [better]}


def test_replay_writes_nothing(monkeypatch, home):
    monkeypatch.setenv("LLMOPS_MODE", "replay")
    keep_bench([ROW])
    assert list(home.iterdir()) == []


def test_a_broken_file_is_named(home):
    for text in ("{", "[]", '{"m": [{"model": "m"}]}', '{"m": 3}'):
        (home / "bench.json").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=r"bench\.json"):
            load_bench()


def test_a_row_says_what_the_report_says():
    examples = [Example(str(number), "x", "yes" if number < 3 else "no") for number in range(4)]
    report = evaluate(lambda text: "yes", examples, ExactMatch(), name="always yes")
    row = make_bench_row(report, "small (here)", "intent")
    assert (row.num, row.score) == (4, 0.75)
    assert row.low == pytest.approx(0.3006, abs=1e-4)  # Wilson for 3 of 4
