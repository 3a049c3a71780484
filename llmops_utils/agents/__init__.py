"""The agent's loop, its tools, and the sandbox for code that a model wrote."""

from .agent import Agent, Step, Trace, draw_trace, make_tool
from .sandbox import Limits, calculate, extract_code, run_code
