"""What the learner touches: exercises, widgets, capstone, notebooks, progress, doctor, command line."""

from .capstone import BRIEF, Watch, load_part, load_plain, make_traffic, run_watch
from .doctor import diagnose
from .exercises import load_exercises
from .grading import grade_submission
from .lifecycle import STAGES, load_tools
from .progress import Progress
from .submissions import make_submission, save_submission
from .widgets.adaptation_chooser import AdaptationChooser
from .widgets.base import Bars, Picture, make_figure
from .widgets.capstone_board import CapstoneBoard
from .widgets.chain_explorer import ChainExplorer
from .widgets.course_map import CourseMap
from .widgets.lifecycle_map import LifecycleMap
from .widgets.model_scorecard import ModelScorecard
from .widgets.monitor_dashboard import MonitorDashboard
from .widgets.next_token import NextTokenExplorer
from .widgets.pictures import Flips, draw_changes, draw_cost, draw_curve, draw_estimates, draw_reliability, draw_scores
from .widgets.power_calculator import PowerCalculator
from .widgets.prompt_workbench import PromptWorkbench
from .widgets.provider_chooser import ProviderChooser
from .widgets.retrieval_inspector import RetrievalInspector
from .widgets.run_dashboard import RunDashboard
from .widgets.shot_picker import ShotPicker
from .widgets.table_explorer import TableExplorer
from .widgets.timeline import Timeline
from .widgets.trace_inspector import TraceInspector
from .widgets.training_calculator import TrainingCalculator
from .widgets.training_pictures import draw_curves, draw_power_laws

__all__ = [
    "BRIEF",
    "STAGES",
    "AdaptationChooser",
    "Bars",
    "CapstoneBoard",
    "ChainExplorer",
    "CourseMap",
    "Flips",
    "LifecycleMap",
    "ModelScorecard",
    "MonitorDashboard",
    "NextTokenExplorer",
    "Picture",
    "PowerCalculator",
    "Progress",
    "PromptWorkbench",
    "ProviderChooser",
    "RetrievalInspector",
    "RunDashboard",
    "ShotPicker",
    "TableExplorer",
    "Timeline",
    "TraceInspector",
    "TrainingCalculator",
    "Watch",
    "diagnose",
    "draw_changes",
    "draw_cost",
    "draw_curve",
    "draw_curves",
    "draw_estimates",
    "draw_power_laws",
    "draw_reliability",
    "draw_scores",
    "grade_submission",
    "load_exercises",
    "load_part",
    "load_plain",
    "load_tools",
    "make_figure",
    "make_submission",
    "make_traffic",
    "run_watch",
    "save_submission",
]
