"""Whether the capstone can be passed with the configured model: several attempts against what the brief asks for.

    python benchmarks/capstone.py

Prints for each attempt its score on dev, what the gate says, the verdict against the plain prompt, the score on the
held-back messages and the price. About 600 short calls.
"""

from llmops_utils.course import BRIEF, load_part, load_plain
from llmops_utils.evaluation import PRICED_AT, ChoiceMatch, compare, evaluate
from llmops_utils.models import Model
from llmops_utils.operations import TASKS, decide, make_system

DESCRIPTIONS = """\
The labels are:
- delivery: where a parcel is and when it comes
- repair: a fault in an appliance, spare parts
- payment: prices charged, invoices, cards, vouchers
- account: signing in, the password, personal details"""


def list_attempts() -> dict:
    """Return prompts and numbers of examples by name; the first one is the plain prompt."""
    plain = load_plain()
    system = plain.replace(system=("instruction", "context"))
    return {
        "plain": (plain, 0),
        "descriptions, no examples": (plain.replace(context=DESCRIPTIONS), 0),
        "descriptions, 4 examples": (system.replace(context=DESCRIPTIONS), 4),
        "8 examples": (system, 8),
        "4 examples": (system, 4),
    }


def main() -> None:
    """Print the table."""
    task, model = TASKS[BRIEF.task], Model("capstone_benchmark")
    print(f"{'attempt':28}{'dev':>6}{'held':>6}{'$/1,000':>9}  gate against plain; verdict")
    baseline = None
    for name, (prompt, num_shots) in list_attempts().items():
        system = make_system(model, prompt, task, num_shots)
        reports = {
            part: evaluate(system, load_part(part), ChoiceMatch(task.labels), name=name, parallel=1)
            for part in ("dev", "gate", "held")
        }
        baseline = baseline or reports["gate"]
        gate = decide(baseline, reports["gate"], BRIEF.margin, BRIEF.max_usd_per_1000)
        scores = "".join(f"{reports[part].score.value:6.0%}" for part in ("dev", "held"))
        usd = reports["held"].price_at(*PRICED_AT)
        print(f"{name:28}{scores}{usd:9.3f}  {gate.outcome}; {compare(baseline, reports['gate'])}", flush=True)


if __name__ == "__main__":
    main()
