"""Helpers of the LLMOps workbook: small modules, each taught in a chapter.

Importing this package touches no file and no network; import what you need from its modules,
for example ``from llmops_utils.models import Model``.
"""

__version__ = "0.1.0"
