"""Running commands as a user does, in this process."""

from collections.abc import Callable

import pytest

from onnxcausal.cli import main

Run = Callable[..., tuple[int, str, str]]
"""What gives a command's exit code, stdout and stderr for its arguments."""


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Return a command's exit code, and what it writes to stdout and stderr."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return int(caught.value.code or 0), shown.out, shown.err
