"""The program as a user meets it: outputs, exit codes, errors, interruption."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from rich.markup import render

from tests.support.commands import run
from tests.support.networks import Builder, mlp
from tests.support.options import commands, helped

MODELS = Path(__file__).parent.parent.parent / "models"
DIGITS = MODELS / "digits_lenet.onnx"
RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(size=(8, 6)), RNG.normal(size=(3, 8))
X = RNG.normal(1, 2, size=(120, 6)).astype(np.float32)
Y = (np.maximum(X @ FIRST.T, 0) @ SECOND.T).argmax(axis=1)
FAST = ["--samples", "10", "--target", "3"]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small classifier with data beside it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    onnx.save(mlp([FIRST, SECOND], [np.zeros(8), np.zeros(3)]), tmp_path / "model.onnx")
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    (tmp_path / "model.toml").write_text('[data]\nsource = "data.npz"\n')
    return tmp_path / "model.onnx"


def test_a_model_alone_gives_every_output_in_a_folder_of_its_name(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "analyze", model)
    assert code == 0
    assert "class 0: " in out
    assert "necessary" in out
    assert re.search(r"[\d,]+ interventions in [\d.]+ s, written to model\.causal", err)
    record = json.loads((model.parent / "model.causal" / "analysis.json").read_text())
    targets = [graph["target"] for graph in record["graphs"]]
    expected = {"analysis.json", "effects.npz"}
    for target in targets:
        expected |= {f"graph-{target}.graphml", f"graph-{target}.png", f"ate-{target}.png"}
    assert {path.name for path in (model.parent / "model.causal").iterdir()} == expected


def test_json_on_stdout_is_exactly_the_file(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "analyze", model, "--json", "--quiet", "--out", "result")
    assert code == 0
    assert out == (model.parent / "result" / "analysis.json").read_text(encoding="utf-8")
    assert err == ""


def test_the_same_run_gives_the_same_bytes_wherever_it_happens(
    model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(capsys, "analyze", model, "--out", "first")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("model.onnx", "model.toml", "data.npz"):
        (model.parent / name).rename(elsewhere / name)
    run(capsys, "analyze", elsewhere / "model.onnx", "--out", "second")

    def hashes(folder: str) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / folder).iterdir()}

    assert hashes("first") == hashes("second")


@pytest.mark.slow
def test_the_number_of_threads_does_not_change_a_byte(tmp_path: Path) -> None:
    for threads in ("1", "2"):
        limit = [] if threads == "2" else ["taskset", "-c", "0"]
        command = [sys.executable, "-m", "onnxcausal", "analyze", str(DIGITS), "--out", str(tmp_path / threads)]
        subprocess.run([*limit, *command, "--target", "5"], check=True, capture_output=True)
    first, second = ((tmp_path / threads / "analysis.json").read_bytes() for threads in ("1", "2"))
    assert first == second


def test_the_engine_the_memory_and_the_budget_are_set_by_flags(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--engine", "suffix", "--adaptive", "--budget", "4", "--memory", "3GiB", "--precision", "fp16"]
    code, out, _ = run(capsys, "analyze", model, "--quiet", "--json", *flags)
    assert code == 0
    record = json.loads(out)
    settings = record["settings"]
    assert (settings["engine"], settings["adaptive"], settings["budget"], settings["precision"]) == (
        "suffix", True, 4, "fp16"
    )  # fmt: skip
    assert any(note.startswith("precision fp16: effects deviate from fp32 by up to") for note in record["notes"])
    assert run(capsys, "analyze", model, "--quiet", "--full", "--out", "full")[0] == 0


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--memory", "much"], "--memory much"),
        (["--memory", "1MB"], "at least --memory"),
        (["--devices", "a,b"], "--devices a,b"),
        (["--devices", "0,1", "--provider", "cpu"], "no devices"),
        (["--budget", "1"], "--budget"),
        (["--engine", "fast"], "--engine"),
        (["--precision", "tf32", "--provider", "cpu"], "--precision tf32"),
        (["--adaptive", "--rule", "welch"], "--adaptive"),
    ],
)
def test_a_wrong_flag_of_the_run_says_what_would_do(
    model: Path, capsys: pytest.CaptureFixture[str], flags: list[str], named: str
) -> None:
    code, out, err = run(capsys, "analyze", model, *flags)
    assert code == 2
    assert not out
    assert named in err
    assert not (model.parent / "model.causal").exists()


def test_statistics_go_to_their_own_file(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "analyze", model, "--stats", "stats.json", "--quiet")
    statistics = json.loads((model.parent / "stats.json").read_text())
    assert statistics["interventions"] > 0
    assert statistics["interventions_per_second"] > 0


def test_progress_is_plain_lines_where_there_is_no_terminal(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = run(capsys, "analyze", model)
    assert "\x1b" not in err
    assert "\r" not in err
    assert re.search(r"^ +\d+%  class 1  [\d,]+ of [\d,]+ interventions", err, re.MULTILINE)


def test_show_config_names_the_origin_of_each_value_and_runs_nothing(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "analyze", model, "--show-config", "--beta", "0.5", "--mean", "0.5,0.5,0.5")
    assert code == 0
    assert re.search(r"beta = 0\.5 +# --beta", out)
    assert re.search(r"mean = \[0\.5, 0\.5, 0\.5\] +# --mean", out)
    assert re.search(r'source = ".*data\.npz" +# model\.toml', out)
    assert not (model.parent / "model.causal").exists()


def test_without_data_every_output_says_that_the_inputs_are_made_up(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model.parent / "model.toml").unlink()
    code, out, _ = run(capsys, "analyze", model)
    assert code == 0
    assert "note: synthetic probe inputs" in out
    record = json.loads((model.parent / "model.causal" / "analysis.json").read_text())
    assert record["data"]["synthetic"] is True
    assert record["data"]["source"] == "synthetic probe inputs"
    graphml = next((model.parent / "model.causal").glob("*.graphml")).read_text()
    assert "synthetic probe inputs" in graphml


def test_class_names_stand_beside_the_index(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model.parent / "labels.txt").write_text("cat\ndog\n\x1b[31mred\n")
    code, out, _ = run(capsys, "analyze", model, "--target", "dog", "--target", "2", "--json")
    assert code == 0
    assert [graph["class_name"] for graph in json.loads(out)["graphs"]] == ["dog", "\x1b[31mred"]
    _, out, _ = run(capsys, "analyze", model)
    assert "class 1 (dog)" in out
    assert "\x1b" not in out


def write(folder: Path, name: str, **arrays: np.ndarray) -> str:
    np.savez(folder / name, **arrays)  # type: ignore[arg-type]  # numpy's stub wants a flag first
    return name


def broken(folder: Path, content: bytes) -> str:
    (folder / "broken.onnx").write_bytes(content)
    return "broken.onnx"


def without_layers(folder: Path) -> str:
    builder = Builder(RNG)
    onnx.save(builder.model(["N", 6], builder.add("Relu", ["x"])), folder / "relu.onnx")
    return "relu.onnx"


def labels_only(folder: Path) -> str:
    proto = mlp([np.eye(6)], [np.zeros(6)])
    proto.graph.node.append(onnx.helper.make_node("ArgMax", [proto.graph.output[0].name], ["label"], axis=1))
    del proto.graph.output[:]
    proto.graph.output.append(onnx.helper.make_tensor_value_info("label", onnx.TensorProto.INT64, None))
    onnx.save(proto, folder / "labels.onnx")
    return "labels.onnx"


def never_finite(folder: Path) -> str:
    onnx.save(mlp([np.full((3, 6), 1e38)], [np.full(3, 1e38)]), folder / "infinite.onnx")
    return "infinite.onnx"


def unreadable(folder: Path, name: str) -> str:
    (folder / name).write_text("x")
    return name


WRONG: dict[str, tuple[int, str, Callable[[Path], list[str]]]] = {
    "no such file": (3, "no such model", lambda _: ["nothing.onnx"]),
    "a folder": (3, "no such model", lambda _: ["."]),
    "not ONNX": (3, "not an ONNX model", lambda f: [broken(f, b"hello world, this is text\n" * 20)]),
    "empty": (3, "not an ONNX model", lambda f: [broken(f, b"")]),
    "truncated": (3, "not an ONNX model", lambda f: [broken(f, DIGITS.read_bytes()[:1000])]),
    "cut in the weights": (3, "not an ONNX model", lambda f: [broken(f, DIGITS.read_bytes()[:-5000])]),
    "no layers": (5, "no layer to intervene on", lambda f: [without_layers(f)]),
    "labels only": (3, "labels only", lambda f: [labels_only(f), "--data", "data.npz"]),
    "unknown target": (2, "unknown target '7'", lambda _: ["model.onnx", "--target", "7"]),
    "unknown output": (2, "no tensor 'gem_0'", lambda _: ["model.onnx", "--output", "gem_0"]),
    "unknown input": (3, "no input 'image'", lambda _: ["model.onnx", "--input", "image"]),
    "unknown rule": (2, "value of rule", lambda _: ["model.onnx", "--rule", "best"]),
    "unknown option": (2, "No such option", lambda _: ["model.onnx", "--best"]),
    "no model": (2, "Missing argument", lambda _: []),
    "no such data": (4, "no such data", lambda _: ["model.onnx", "--data", "nothing.npz"]),
    "wrong shape": (4, "does not fit", lambda f: ["model.onnx", "--data", write(f, "w.npz", x=X[:, :4], y=Y)]),
    "wrong type": (4, "has the type", lambda f: ["model.onnx", "--data", write(f, "t.npz", x=X.astype(str), y=Y)]),
    "labels outside": (4, "outside the model's", lambda f: ["model.onnx", "--data", write(f, "l.npz", x=X, y=Y + 1)]),
    "NaN in data": (4, "NaN or infinity", lambda f: ["model.onnx", "--data", write(f, "n.npz", x=X * np.nan, y=Y)]),
    "infinite outcome": (4, "NaN or infinite", lambda f: [never_finite(f), "--data", "data.npz"]),
    "too few": (4, "no class can be analysed", lambda f: ["model.onnx", "--data", write(f, "f.npz", x=X[:2], y=Y[:2])]),
    "unwritable": (2, "cannot be written", lambda f: ["model.onnx", "--out", unreadable(f, "file")]),
    "overlong name": (3, "no such model", lambda _: ["m" * 5000 + ".onnx"]),
    "overlong data": (4, "no such data", lambda _: ["model.onnx", "--data", "d" * 5000]),
    "stats nowhere": (2, "cannot be written", lambda _: ["model.onnx", "--stats", "missing/stats.json"]),
    "no provider": (2, "is not to be had", lambda _: ["model.onnx", "--provider", "MagicExecutionProvider"]),
    "option of provider": (2, "cannot be read", lambda _: ["model.onnx", "--provider", "cpu:fast"]),
    "broken sidecar": (2, "cannot be read", lambda f: ["model.onnx", "--config", unreadable(f, "config.toml")]),
}
"""Exit code, part of the first line, and the arguments after `analyze`."""


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_gets_four_lines_and_its_exit_code(
    what: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected, message, arguments = WRONG[what]
    code, out, err = run(capsys, "analyze", *arguments(model.parent), "--quiet")
    assert code == expected
    assert out == ""
    lines = err.rstrip("\n").split("\n")
    assert [line[:8] for line in lines] == ["error: " + lines[0][7], "  where:", "  why:  ", "  do:   "]
    assert message in lines[0]
    assert all(line[9:].strip() for line in lines)
    assert not list(model.parent.glob("*.causal"))


def test_another_models_folder_is_kept_without_force(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "analyze", DIGITS, *FAST, "--out", "shared")[0] == 0
    before = (model.parent / "shared" / "analysis.json").read_bytes()
    code, _, err = run(capsys, "analyze", model, "--out", "shared")
    assert code == 2
    assert "--force" in err
    assert (model.parent / "shared" / "analysis.json").read_bytes() == before
    assert run(capsys, "analyze", model, "--out", "shared", "--force")[0] == 0
    assert not (model.parent / "shared" / "graph-3.png").exists()


def test_a_class_without_usable_samples_is_skipped_with_the_reason(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(model.parent, "data.npz", x=X, y=np.where(Y == 2, 1, np.where(Y == 1, 2, 0)))  # 1 and 2 swapped
    code, out, _ = run(capsys, "analyze", model, "--json")
    assert code == 0
    skipped = json.loads(out)["skipped"]
    assert [entry["target"] for entry in skipped] == [1, 2]
    assert skipped[0]["reason"] == f"no correctly classified sample among {(Y == 2).sum()}"


def test_an_internal_error_shows_no_traceback_unless_asked(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("onnxcausal.pipeline.analyze.run", fail)
    code, _, err = run(capsys, "analyze", model, "--quiet")
    assert code == 70
    assert "Traceback" not in err
    assert "a defect" in err
    _, _, err = run(capsys, "analyze", model, "--quiet", "--debug")
    assert "Traceback" in err


def test_without_arguments_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert code == 2
    assert "analyze" in out + err


@pytest.mark.slow
def test_ctrl_c_stops_with_130_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path) -> None:
    # Stopped at a place that is told, and not at a time: the third chunk was just kept.
    code = f"""
import os, signal
from onnxcausal.analysis.formats.journal import Journal
from onnxcausal.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started with Ctrl-C ignored
keep = Journal.keep
def kept(journal, *chunk):
    keep(journal, *chunk)
    if journal.kept == 3:
        os.kill(os.getpid(), signal.SIGINT)
Journal.keep = kept
main(["analyze", {str(DIGITS)!r}, "--engine", "reference", "--out", {str(tmp_path / "out")!r}])
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    err = process.stderr
    assert process.returncode == 130
    assert "error: interrupted" in err
    assert "Traceback" not in err
    assert "chunk(s) are kept" in err
    assert "run the same command again" in err
    assert [path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".sqlite-wal"] == ["journal.sqlite"]


def loaded_by(code: str) -> set[str]:
    """Return the modules loaded after running code in a fresh process."""
    shown = "import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{shown}"], check=True, capture_output=True, text=True)
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}


HEAVY = {"onnx", "onnxruntime", "onnx_graphsurgeon"}


@pytest.mark.parametrize("package", ["causal.graph", "samples.load", "analysis.formats.output_folder", "report.files"])
def test_the_numerics_the_data_and_the_report_load_no_onnx(package: str) -> None:
    loaded = loaded_by(f"import onnxcausal.{package}")
    assert not loaded & (HEAVY | {"cv2"})
    assert "numpy" in loaded


def test_help_loads_nothing_heavy() -> None:
    helped = "from onnxcausal.cli import main\ntry:\n    main(['analyze', '--help'])\nexcept SystemExit: pass"
    assert not loaded_by(helped) & (HEAVY | {"numpy", "scipy", "matplotlib", "cv2"})
    assert not loaded_by("import onnxcausal") & (HEAVY | {"numpy"})


def test_help_shows_all_that_is_written() -> None:
    for command in commands():
        for text in helped(command):
            assert render(text).plain == text, command  # words in brackets would be taken for a style, and vanish


def test_a_closed_pipe_ends_quietly(model: Path) -> None:
    command = f"{sys.executable} -m onnxcausal analyze {model} --json --quiet | head -c 10"
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, env=environment)
    assert done.stderr == ""
    assert len(done.stdout) == 10


def test_images_are_read_where_opencv_cannot_be_loaded(tmp_path: Path) -> None:
    held = np.load(MODELS / "digits.npz")
    for target in (3, 8):
        (tmp_path / "data" / str(target)).mkdir(parents=True)
        for number, image in enumerate(held["x"][held["y"] == target][:20]):
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / "data" / str(target) / f"{number}.png")
    asked = ["analyze", DIGITS, "--data", tmp_path / "data", "--rescale", str(1 / 255), "--samples", "10", "--json"]
    code = f"import sys\nsys.modules['cv2'] = None\nfrom onnxcausal.cli import main\nmain({list(map(str, asked))})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert [graph["target"] for graph in json.loads(done.stdout)["graphs"]] == [3, 8]
