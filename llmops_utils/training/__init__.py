"""A language model from nothing: tokenizer, gradients, transformer, training runs, costs, adapters."""

from .adapter_training import AdapterRecipe
from .adapters import Adapter, read_adapter
from .costs import PEAK_FLOPS, TOKENS_PER_PARAMETER, UTILISATION, TrainingCost, estimate_cost
from .demonstrations import Demonstration
from .fine_tuning import FineTuningRun, fine_tune
from .llama import Llama, read_llama
from .scaling import PowerLaw, fit_power_law
from .trainer import Recipe, Trainer, TrainingRun, train_model
from .transformer import Architecture, Transformer
