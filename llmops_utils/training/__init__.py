"""A language model from nothing: tokenizer, gradients, transformer, training runs, costs, adapters."""

from .costs import PEAK_FLOPS, TOKENS_PER_PARAMETER, UTILISATION, TrainingCost, estimate_cost
from .fine_tuning import (
    Adapter,
    AdapterRecipe,
    Demonstration,
    FineTuner,
    FineTuningRun,
    Llama,
    fine_tune,
    read_adapter,
    read_llama,
)
from .scaling import PowerLaw, fit_power_law
from .trainer import Recipe, Trainer, TrainingRun, train_model
from .transformer import Architecture, Transformer
