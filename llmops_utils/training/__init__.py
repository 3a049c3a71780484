"""A language model from nothing: tokenizer, gradients, transformer, training runs, costs, adapters."""

from .costs import PEAK_FLOPS, TOKENS_PER_PARAMETER, PowerLaw, TrainingCost, estimate_cost, fit_power_law
from .fine_tuning import AdapterRecipe, Demonstration, FineTuner, fine_tune, read_adapter, read_llama
from .trainer import TrainingRun
from .transformer import Architecture
