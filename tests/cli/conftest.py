"""What tests of commands share."""

from functools import partial

import pytest

from tests.support import commands
from tests.support.commands import Run


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""
    return partial(commands.run, capsys)
