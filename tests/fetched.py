"""Files of others in tests: ``scripts/run_tests.sh`` fetches them; a test run by hand without them is skipped."""

from pathlib import Path

import pytest

from data.fetch import fetched_file
from util.errors import UserError


def fetched_or_skip(bundle: str, name: str) -> Path:
    """The file ``name`` of ``bundle``; where it was not fetched the test is skipped, and says how to fetch it."""
    try:
        return fetched_file(bundle, name)
    except UserError as error:
        pytest.skip(str(error))
