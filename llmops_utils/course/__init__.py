"""What the learner touches: exercises, widgets, capstone, notebooks, progress, doctor, command line."""

from .adaptation import Situation
from .capstone import (
    REFUSAL,
    Assistant,
    Choices,
    Watch,
    answer_part,
    list_messages,
    list_steps,
    load_brief,
    load_part,
    load_plain,
    open_model,
    run_watch,
    score_answer,
)
from .doctor import diagnose
from .exercises import load_exercises
from .grading import compute_grade, grade_submission
from .lifecycle import STAGES, load_techniques, load_tools
from .progress import Progress
from .submissions import make_submission, save_submission
from .widgets.calculators import AdaptationChooser, PowerCalculator, TrainingCalculator
from .widgets.dashboards import MonitorDashboard, RunDashboard
from .widgets.inspectors import ChainExplorer, RetrievalInspector, Tagger, TraceInspector
from .widgets.maps import CourseMap, LifecycleMap, TechniqueMap
from .widgets.models import ModelScorecard, NextTokenExplorer, ProviderChooser, TableExplorer
from .widgets.pictures import (
    Bars,
    Flips,
    Picture,
    Timeline,
    draw_changes,
    draw_cost,
    draw_curves,
    draw_estimates,
    draw_power_laws,
    make_figure,
)
from .widgets.prompts import PromptWorkbench, ShotPicker
