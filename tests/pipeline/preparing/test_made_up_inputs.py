"""Without data nothing is run that the shape of the scores already refuses, and no more is held than may be."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from onnxcausal import analyze
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.network import open_network
from onnxcausal.onnxgraph.network.wiring import find_wiring
from onnxcausal.onnxgraph.runner import Runner
from onnxcausal.onnxgraph.runner import batched as runs
from tests.support.networks import Builder


def image_to_image(side: int) -> onnx.ModelProto:
    b = Builder(np.random.default_rng(0))
    maps = b.add("Relu", [b.add("Conv", ["x", b.weight(8, 3, 3, 3)], pads=[1] * 4)])
    out = b.add("Conv", [maps, b.weight(3, 8, 3, 3)], pads=[1] * 4)
    return b.model(["N", 3, side, side], out, output_rank=4)


def classifier(side: int, channels: int = 8) -> onnx.ModelProto:
    b = Builder(np.random.default_rng(0))
    tensor, width = "x", 3
    for _ in range(3):
        tensor, width = (
            b.add("Relu", [b.add("Conv", [tensor, b.weight(channels, width, 3, 3)], pads=[1] * 4)]),
            channels,
        )
    flat = b.add("Flatten", [b.add("GlobalAveragePool", [tensor])], axis=1)
    return b.model(["N", 3, side, side], b.add("Gemm", [flat, b.weight(channels, 4)]))


@pytest.mark.parametrize("tail", ["maps", "sequence", "two heads"])
def test_scores_at_many_places_are_refused_by_their_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tail: str
) -> None:
    b = Builder(np.random.default_rng(0))
    scores = b.add("Gemm", ["x", b.weight(6, 12)])
    shapes = {"maps": (-1, 3, 2, 2), "sequence": (-1, 4, 3), "two heads": (-1, 2, 6)}
    proto = b.model(["N", 6], b.add("Reshape", [scores, b.integers(*shapes[tail])]), output_rank=len(shapes[tail]))
    onnx.save(image_to_image(64) if tail == "maps" else proto, tmp_path / "model.onnx")
    ran: list[str] = []
    monkeypatch.setattr(Runner, "run", lambda *_, **__: ran.append("run"))
    with pytest.raises(ModelError, match="not one score per class"):
        analyze(tmp_path / "model.onnx")
    assert ran == []


def test_tensors_shown_in_groups_are_as_together(monkeypatch: pytest.MonkeyPatch) -> None:
    network = open_network(Model("m.onnx", classifier(24), "0" * 64))
    x = np.random.default_rng(1).normal(size=(2, 3, 24, 24)).astype(np.float32)
    together = find_wiring(network, x)
    monkeypatch.setattr(runs, "HELD_AT_ONCE", 1)
    apart = find_wiring(network, x)
    assert dict(together.trace.shapes) == dict(apart.trace.shapes)
    assert dict(together.trace.rows) == dict(apart.trace.rows)
    assert dict(together.trace.types) == dict(apart.trace.types)
    assert (together.work, together.row_bytes) == (apart.work, apart.row_bytes)


PEAK = """
import resource, sys
from pathlib import Path
from onnxcausal.pipeline.estimate import estimate
from onnxcausal.pipeline.preparing.configuration import configure
from onnxcausal.pipeline.preparing.machine import Machine
path = Path(sys.argv[1])
estimate(path, configure(path, None, {"analysis.samples": ("here", 2)}), machine=Machine.of(memory="1500MiB"))
own = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
print(max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) // 1024)
"""


@pytest.mark.slow
def test_large_images_stay_within_the_bound_where_there_are_no_data(tmp_path: Path) -> None:
    onnx.save(classifier(720, 24), tmp_path / "large.onnx")
    command = [sys.executable, "-c", PEAK, str(tmp_path / "large.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) <= 1500
