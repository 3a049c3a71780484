"""Named, versioned prompts."""

from .diff import diff_prompts
from .prompt import ELEMENTS, Prompt
from .registry import PROMPTS, list_prompts, load_prompt, save_prompt
