import sys

import pytest

from llmops_utils.core import DATA


@pytest.fixture(scope="module")
def generator():
    """The module that makes new problems, which stands beside the data."""
    sys.path.insert(0, str(DATA))
    import make_problems

    yield make_problems
    sys.path.remove(str(DATA))
