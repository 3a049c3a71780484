import importlib
import sys

import pytest

from llmops_utils.core import DATA


def load_beside(name):
    sys.path.insert(0, str(DATA))
    yield importlib.import_module(name)
    sys.path.remove(str(DATA))


@pytest.fixture(scope="module")
def generator():
    """The module that makes new problems, which stands beside the data."""
    yield from load_beside("make_problems")


@pytest.fixture(scope="module")
def tracer():
    """The module that makes new traces."""
    yield from load_beside("make_traces")
