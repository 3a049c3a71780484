"""Fine-tuning of a real model: its forward pass in NumPy, adapters, and what they learn from."""

from .adapter_training import AdapterRecipe
from .adapters import Adapter, read_adapter
from .demonstrations import Demonstration
from .llama import Llama, read_llama
from .runs import FineTuningRun, fine_tune
from .tuner import FineTuner, TunedModel
