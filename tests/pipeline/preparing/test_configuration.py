"""Defaults, sidecar and flags."""

import tomllib
from pathlib import Path

import pytest

from onnxcausal import analyze
from onnxcausal.causal.significance import Rule
from onnxcausal.errors import ConfigError
from onnxcausal.pipeline.preparing.configuration import configure, project_gates, show
from tests.support.hostile_texts import PLACES, TOML


def sidecar(tmp_path: Path, text: str) -> Path:
    (tmp_path / "model.toml").write_text(text)
    return tmp_path / "model.onnx"


def test_flags_win_over_the_sidecar_and_the_sidecar_over_defaults(tmp_path: Path) -> None:
    model = sidecar(tmp_path, "[analysis]\nsamples = 30\nrule = 'welch'\n")
    configured = configure(model, None, {"analysis.samples": ("--samples", 20)})
    analysis = configured.values.analysis
    assert (analysis.samples, analysis.rule, analysis.alpha) == (20, Rule.WELCH, 0.05)
    assert configured.origins == {"analysis.samples": "--samples", "analysis.rule": "model.toml"}


def test_a_named_file_stands_in_for_the_sidecar(tmp_path: Path) -> None:
    model = sidecar(tmp_path, "[analysis]\nsamples = 30\n")
    (tmp_path / "other.toml").write_text("[analysis]\nbeta = 0.5\n")
    analysis = configure(model, tmp_path / "other.toml", {}).values.analysis
    assert (analysis.samples, analysis.beta) == (100, 0.5)


def test_paths_in_the_sidecar_are_relative_to_it_and_those_of_flags_are_not(tmp_path: Path) -> None:
    model = sidecar(tmp_path, "[data]\nsource = 'images'\n")
    assert configure(model, None, {}).values.data.source == str(tmp_path / "images")
    assert configure(model, None, {"data.source": ("--data", "images")}).values.data.source == "images"


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("[analysis]\nsample = 3\n", "unknown key 'sample'", "did you mean 'samples'?"),
        ("[analisys]\nsamples = 3\n", "unknown key 'analisys'", "did you mean 'analysis'?"),
        ("samples = 3\n", "unknown key 'samples'", "remove it"),
        ("analysis = 3\n", "analysis is not a section", "[analysis]"),
        ("[analysis]\nrule = 'best'\n", "the value of rule is not allowed", "--show-config"),
        ("[analysis]\nsamples = 1\n", "the value of samples is not allowed", ""),
        ("[analysis]\nalpha = 1.5\n", "the value of alpha is not allowed", ""),
        ("[analysis]\nbeta = nan\n", "the value of beta is not allowed", ""),
        ("[preprocess]\nstd = [0.0]\n", "the value of std is not allowed", ""),
        ("[preprocess]\nresize = [1, 2, 3]\n", "the value of resize is not allowed", ""),
        ("[analysis\n", "cannot be read", "TOML"),
    ],
)
def test_wrong_files_are_refused_with_a_remedy(tmp_path: Path, text: str, what: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(sidecar(tmp_path, text), None, {})
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_a_missing_configuration_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        configure(tmp_path / "model.onnx", tmp_path / "nothing.toml", {})


def test_the_shown_settings_are_toml_that_reads_back_the_same(tmp_path: Path) -> None:
    flags = {"preprocess.mean": ("--mean", ["0.5", "0.25", "0"]), "analysis.targets": ("--target", ["3", "cat"])}
    configured = configure(sidecar(tmp_path, "[preprocess]\nresize = [3, 4]\nlayout = 'nhwc'\n"), None, flags)
    text = show(configured)
    assert "resize = [3, 4]                          # model.toml" in text
    assert "# --target" in text
    assert "seed = 0                                 # default" in text
    (tmp_path / "shown.toml").write_text(text)
    assert configure(tmp_path / "model.onnx", tmp_path / "shown.toml", {}).values == configured.values
    assert tomllib.loads(text)["preprocess"]["mean"] == [0.5, 0.25, 0.0]


def test_an_unknown_argument_of_the_python_call_has_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="unknown key 'sampels'") as caught:
        analyze("model.onnx", sampels=3)
    assert "samples" in caught.value.remedy


@pytest.mark.attack("sidecars and projects", "refused, exit code 2")
@pytest.mark.parametrize("name", TOML)
def test_hostile_settings_are_refused(tmp_path: Path, name: str) -> None:
    text, why = TOML[name]
    with pytest.raises(ConfigError, match="configuration file cannot be read") as caught:
        configure(sidecar(tmp_path, text), None, {})
    assert why in caught.value.why
    assert caught.value.exit_code == 2
    assert all(line.isprintable() for line in str(caught.value).splitlines())


@pytest.mark.attack("sidecars and projects", "refused, exit code 2")
@pytest.mark.parametrize("place", [place for place in PLACES if place != "folder"])
@pytest.mark.parametrize("file", ["model.toml", "other.toml", "pyproject.toml"])
def test_hostile_places_of_settings_are_refused(tmp_path: Path, file: str, place: str) -> None:
    PLACES[place](tmp_path / file)
    named = tmp_path / file if file == "other.toml" else None
    with pytest.raises(ConfigError, match="configuration file cannot be read"):
        project_gates(tmp_path) if file == "pyproject.toml" else configure(tmp_path / "model.onnx", named, {})


@pytest.mark.attack("sidecars and projects", "refused, exit code 2")
@pytest.mark.parametrize(
    "text",
    [
        "[preprocess]\nresize = [1000000000, 1000000000]",
        "[preprocess]\nresize = 4097",
        "[preprocess]\ncenter_crop = [1, 16777217]",
        "[preprocess]\nmean = [nan]",
        "[preprocess]\nstd = [0.0]",
        "[analysis]\nalpha = 1e400",
        "[analysis]\nsamples = -9223372036854775808",
        "[analysis]\ntargets = []",
        "[gates]\nmargin = inf",
        f"[data]\nsource = {'[' * 20}{']' * 20}",
        f"[analysis]\nrule = '{'x' * 10**6}'",
        f"[{'y' * 10**6}]",
    ],
    ids=lambda text: text[:40].replace("\n", " "),
)
def test_hostile_values_of_settings_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(sidecar(tmp_path, text), None, {})
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) < 10_000


@pytest.mark.parametrize("key", ["samples", "seed", "budget"])
def test_a_number_that_no_file_holds_is_no_setting(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=f"value of {key} is not allowed"):
        configure(tmp_path / "model.onnx", None, {f"analysis.{key}": (f"--{key}", 2**63)})
    assert configure(tmp_path / "model.onnx", None, {f"analysis.{key}": (f"--{key}", 2**63 - 1)}).values
