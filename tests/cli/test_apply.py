"""The commands `apply`, `unmask` and `verify` as a user meets them."""

import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path

import onnx
import pytest

from onnxcausal.analysis.formats.analysis_file import ModelRecord
from onnxcausal.analysis.formats.masks import MaskRecord, MasksFile, MeanRecord, to_json
from tests.support.commands import run

DIGITS = Path(__file__).parent.parent.parent / "models" / "digits_lenet.onnx"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(DIGITS, tmp_path / "model.onnx")
    record = ModelRecord(file="model.onnx", sha256=hashlib.sha256(DIGITS.read_bytes()).hexdigest())
    entries = [
        MaskRecord(layer="/fc3/Gemm", parents=[1, 3], beta=0.0),
        MaskRecord(layer="/conv2/Conv", parents=[2], children=[1, 2], beta=0.5),
    ]
    (tmp_path / "masks.json").write_text(to_json(MasksFile(model=record, masks=entries)))


def test_masks_are_applied_verified_and_taken_out(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "apply", "model.onnx", "masks.json", "-o", "out.onnx")
    assert (code, err) == (0, "written to out.onnx\n")
    assert out == (
        "model.onnx: masks on 2 layer(s), form masked\n"
        "  /conv2/Conv  2 of 96 edges, mask /conv2/Conv.mask\n"
        "  /fc3/Gemm    20 of 840 edges, mask /fc3/Gemm.mask\n"
    )
    code, out, err = run(capsys, "verify", "out.onnx", "--against", "model.onnx", "--quiet")
    assert (code, err) == (0, "")
    assert out == (
        "out.onnx is model.onnx and its masks, byte for byte\n"
        "  layer        edges   of  largest weight  changes by  added\n"
        "  /conv2/Conv      2   96           0.242      0.0781      0\n"
        "  /fc3/Gemm       20  840           0.242       0.186      0\n"
        f"  the file says, unproven: made by onnxcausal {version('onnxcausal')} from model.onnx\n"
    )
    code, out, err = run(capsys, "unmask", "out.onnx", "-o", "back.onnx", "--quiet")
    digest = hashlib.sha256(DIGITS.read_bytes()).hexdigest()
    assert (code, err) == (0, "")
    assert out == (
        "out.onnx: without its masks it has the hash that its own record names\n"
        f"  the file says, unproven: made by onnxcausal {version('onnxcausal')} from model.onnx\n"
        f"  hash in its record: {digest}\n"
        f"  hash of what is written: {digest}\n"
    )
    code, out, _ = run(capsys, "unmask", "out.onnx", "-o", "back.onnx", "--against", "model.onnx")
    assert (code, out.splitlines()[0]) == (0, "out.onnx: without its masks it is model.onnx, byte for byte")
    assert Path("back.onnx").read_bytes() == DIGITS.read_bytes()


def test_a_switchable_file_tells_what_to_feed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "apply", "model.onnx", "masks.json", "-o", "out.onnx", "--form", "switchable")
    assert code == 0
    assert "feed ones to these masks" in out


def test_means_are_told_where_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    record = ModelRecord(file="model.onnx", sha256=hashlib.sha256(DIGITS.read_bytes()).hexdigest())
    entry = MaskRecord(layer="/fc3/Gemm", parents=[1, 3], beta=0.0)
    mean = MeanRecord(layer="/fc3/Gemm", parents=[1], values=[0.5])
    Path("masks.json").write_text(to_json(MasksFile(model=record, masks=[entry], means=[mean])))
    _, out, _ = run(capsys, "apply", "model.onnx", "masks.json", "-o", "out.onnx", "--form", "switchable")
    assert "  /fc3/Gemm  20 of 840 edges, mask /fc3/Gemm.mask, means in /fc3/Gemm.shift\n" in out
    assert "feed ones to these masks, zeros to these means, and the file is the original model\n" in out
    _, out, _ = run(capsys, "apply", "model.onnx", "masks.json", "-o", "out.onnx", "--form", "folded")
    assert "  /fc3/Gemm  20 of 840 edges, means in its bias\n" in out
    assert "means not checked: no data are named; on made-up inputs nodes take 0 to " in out
    assert out.endswith("; they add up to 0.0791 to what a child gets\n")
    code, out, err = run(capsys, "verify", "out.onnx", "--against", "model.onnx", "--no-data", "--json")
    assert code == 0
    assert json.loads(out)["means"]["state"] == "not checked against data"
    assert "means not checked: no data are named" in err


def test_a_folded_file_has_no_masks_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "apply", "model.onnx", "masks.json", "-o", "out.onnx", "--form", "folded", "--quiet")
    assert code == 0
    assert out.endswith("  /fc3/Gemm    20 of 840 edges\n")
    code, _, err = run(capsys, "unmask", "out.onnx", "-o", "back.onnx")
    assert code == 3
    assert "gone" in err


def test_a_pruned_file_tells_what_went_and_what_stays_for_which_op(capsys: pytest.CaptureFixture[str]) -> None:
    record = ModelRecord(file="model.onnx", sha256=hashlib.sha256(DIGITS.read_bytes()).hexdigest())
    entries = [
        MaskRecord(layer="/fc3/Gemm", parents=[1, 3], beta=0.0),
        MaskRecord(layer="/conv2/Conv", parents=[2], beta=0.0),
        MaskRecord(layer="/fc1/Gemm", parents=list(range(9)), beta=0.0),
    ]
    Path("masks.json").write_text(to_json(MasksFile(model=record, masks=entries)))
    code, out, err = run(capsys, "apply", "model.onnx", "masks.json", "-o", "out.onnx", "--form", "pruned")
    assert (code, err) == (0, "written to out.onnx\n")
    assert out.startswith(
        "model.onnx: masks on 3 layer(s), form pruned\n"
        "  /conv2/Conv  16 of 96 edges\n"
        "  /fc1/Gemm    1,080 of 48,000 edges\n"
        "  /fc3/Gemm    20 of 840 edges\n"
        "note: layer /fc1/Gemm: masked are 9 of 25 features of node 0; nodes names whole ones\n"
        "parameters: 61,706 before, 61,018 after\n"
        "  /conv1/Conv  removed: 0 of 1 parents, 1 of 6 children\n"
        "  /conv2/Conv  removed: 1 of 6 parents, 0 of 16 children\n"
        "  /fc2/Gemm    removed: 0 of 120 parents, 2 of 84 children\n"
        "  /fc3/Gemm    removed: 2 of 84 parents, 0 of 10 children\n"
        "  /fc1/Gemm: 9 node(s) stay, with weights of 0: 0, 1, 2, 3, 4, 5, 6, 7 ...; "
        "op /fc1/Gemm (Gemm): it still reads the channel\n"
        "on random inputs its outputs differ from those of the folded form by "
    )
    assert out.endswith(" of the largest at most\n")
    assert run(capsys, "verify", "out.onnx", "--against", "model.onnx")[0] == 0
    code, _, err = run(capsys, "unmask", "out.onnx", "-o", "back.onnx")
    assert (code, err.splitlines()[0]) == (3, "error: the masks cannot be taken out of a pruned file")


def test_where_nothing_can_go_the_form_is_refused_with_the_op(capsys: pytest.CaptureFixture[str]) -> None:
    record = ModelRecord(file="model.onnx", sha256=hashlib.sha256(DIGITS.read_bytes()).hexdigest())
    masks = MasksFile(model=record, masks=[MaskRecord(layer="/fc1/Gemm", parents=[7], beta=0.0)])
    Path("masks.json").write_text(to_json(masks))
    code, out, err = run(capsys, "apply", "model.onnx", "masks.json", "-o", "out.onnx", "--form", "pruned")
    assert (code, out) == (3, "")
    assert "op /fc1/Gemm (Gemm)" in err
    assert err.count("\n") == 4
    assert not Path("out.onnx").exists()


def test_a_file_that_does_not_verify_ends_with_1_and_four_lines(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "apply", "model.onnx", "masks.json", "-o", "out.onnx")
    proto = onnx.load("out.onnx")
    proto.graph.node[0].op_type = "Div"
    onnx.save(proto, "out.onnx")
    code, out, err = run(capsys, "verify", "out.onnx", "--against", "model.onnx", "--quiet")
    assert (code, out) == (1, "")
    assert "op_type is 'Div' in place of" in err
    assert err.count("\n") == 4


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["apply", "model.onnx", "masks.json"], 2, "Missing option"),
        (["apply", "model.onnx", "masks.json", "-o", "model.onnx"], 2, "replace what it is made from"),
        (["apply", "model.onnx", "masks.json", "-o", "out.onnx", "--form", "sparse"], 2, "unknown form 'sparse'"),
        (["apply", "model.onnx", "none.json", "-o", "out.onnx"], 2, "the masks cannot be read"),
        (["apply", "none.onnx", "masks.json", "-o", "out.onnx"], 3, "there is no such model"),
        (["unmask", "model.onnx", "-o", "out.onnx"], 3, "the model is no repaired file"),
        (["verify", "model.onnx", "--against", "model.onnx"], 3, "the model is no repaired file"),
    ],
)
def test_mistakes_get_four_lines_and_write_nothing(
    arguments: list[str], code: int, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = run(capsys, *arguments)
    assert (ended, out) == (code, "")
    assert named in err
    assert err.count("\n") == 4
    assert {path.name for path in Path().iterdir()} == {"model.onnx", "masks.json"}
