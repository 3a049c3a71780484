"""Results and comparisons by hand, for tests."""

import json
from dataclasses import asdict

from llmops_utils.evaluation import Report, Row, compare
from llmops_utils.evaluation.results import Result

RESULT = Result(
    **{"technique": "few-shot, 8 examples", "task": "intent", "chapter": 6, "num": 160, "baseline": "zero-shot"},
    **{"score": 0.5187, "low": 0.44, "high": 0.59, "baseline_score": 0.4, "p": 0.003, "verdict": "helps"},
    **{"difference": 0.1187, "difference_low": 0.0438, "difference_high": 0.2, "latency_s": 0.123},
    **{"prompt_tokens": 400.4, "completion_tokens": 2.6, "usd_per_1000": 0.1058, "price_ratio": 4.25},
    provenance="fake (127.0.0.1), live",
)


def make_report(scores, name="system", model="fake", tokens=(100, 20)):
    rows = [
        Row(f"e{index}", f"input {index}", "yes", "yes", float(score), "", *tokens, 1, 0.5, 0.0)
        for index, score in enumerate(scores)
    ]
    return Report(name, tuple(rows), f"{model} (127.0.0.1), live", 1.0)


def make_comparison(num_right=14, model="fake"):
    before, after = [1] * 4 + [0] * 12, [1] * num_right + [0] * (16 - num_right)
    return compare(make_report(before, "zero-shot", model), make_report(after, "few-shot", model, (400, 20)))


def write_results(folder, name, *listed):
    folder.mkdir(parents=True, exist_ok=True)
    content = {"model": name, "results": [asdict(one) for one in listed]}
    (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
