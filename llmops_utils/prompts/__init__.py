"""Named, versioned prompts."""

from .prompt import ELEMENTS, PROMPTS, Prompt, diff_prompts, list_prompts, load_prompt, save_prompt

__all__ = [
    "ELEMENTS",
    "PROMPTS",
    "Prompt",
    "diff_prompts",
    "list_prompts",
    "load_prompt",
    "save_prompt",
]
