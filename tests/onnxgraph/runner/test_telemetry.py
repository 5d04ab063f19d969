"""What ONNX Runtime would tell its maker of a model is not collected."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SPARED = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")
"""Variables for which ONNX Runtime collects nothing, as a user's machine has none of them."""
NOWHERE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
"""So that the test itself sends nothing."""
ALONE = "import onnxruntime, sys; onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])"
HERE = "import onnxcausal, onnxruntime, sys; onnxcausal.analyze(sys.argv[1], targets=[3], samples=20)"


def left_at_home(program: str, home: Path) -> list[Path]:
    """Run a program as a user with an empty home does; return what ONNX Runtime kept there to be sent."""
    home.mkdir()
    variables = {name: value for name, value in os.environ.items() if name not in SPARED and "CACHE" not in name}
    subprocess.run(
        [sys.executable, "-c", program, ROOT / "models" / "digits_lenet.onnx"],
        env=variables | NOWHERE | {"HOME": str(home), "PYTHONPATH": str(ROOT)},
        check=True,
    )
    return [path for path in home.rglob("*") if "onnxruntime" in path.name]


@pytest.mark.slow
def test_an_analysis_leaves_nothing_to_be_sent(tmp_path: Path) -> None:
    if not left_at_home(ALONE, tmp_path / "alone"):
        pytest.skip("this release or machine collects nothing")
    assert left_at_home(HERE, tmp_path / "here") == []
