"""Data of any kind, from anybody: what is hostile gives an error of the samples, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.samples.decode import read_image
from onnxcausal.samples.inputs import load_inputs
from onnxcausal.samples.load import load_samples
from onnxcausal.samples.preprocess import Preprocess, image_to_input
from onnxcausal.samples.resize import MOST_MADE, MOST_PIXELS, center_crop
from onnxcausal.samples.source import InputSpec
from onnxcausal.samples.synthetic import synthetic_samples
from tests.support.hostile_samples import SAMPLES, pictures, png
from tests.support.hostile_texts import PLACES

ANYTHING = InputSpec("x", ())
SETTINGS = Preprocess(rescale=0.1)
SPARE = 400 * 2**10
"""KiB of memory that reading hostile data may take, far below what it claims."""


@pytest.mark.attack("data", "refused with four lines, exit code 4")
@pytest.mark.parametrize("name", SAMPLES)
def test_hostile_data_give_an_error_of_the_samples(tmp_path: Path, name: str) -> None:
    source = SAMPLES[name](tmp_path)
    with pytest.raises(SamplesError) as caught:  # noqa: PT012  # at the latest when all of it is read
        samples = load_samples(source, ANYTHING, SETTINGS)
        samples.read(np.arange(len(samples)))
        samples.digest()
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert all(line.isprintable() and len(line) < 2100 for line in lines)


@pytest.mark.attack("data", "left out where that was asked for")
@pytest.mark.parametrize("place", [place for place in PLACES if place != "folder"])
def test_hostile_pictures_can_be_left_out(tmp_path: Path, place: str) -> None:
    data = pictures(tmp_path)
    PLACES[place](data / "1" / "0.png")
    samples = load_samples(data, ANYTHING, SETTINGS, skip_bad=True)
    batch = samples.read(np.arange(7))
    assert len(batch.x) == 6
    assert batch.unreadable == (str(data / "1" / "0.png"),)
    assert len(samples.digest()) == 64


def test_pictures_whose_names_are_no_text_are_samples_like_others(tmp_path: Path) -> None:
    data = pictures(tmp_path)
    for name in (b"\xff\x1b[31m.png", b"-rf.png", b"a\nb.png"):
        with open(os.path.join(os.fsencode(data / "0"), name), "wb") as file:  # noqa: PTH118, PTH123  # a Path takes no bytes
            file.write((data / "1" / "1.png").read_bytes())
    samples = load_samples(data, ANYTHING, SETTINGS)
    assert len(samples.read(np.arange(9)).x) == 9
    assert len(samples.digest()) == 64
    named = load_inputs([data], ANYTHING, SETTINGS)
    assert len(named.names) == 9
    assert json.dumps(named.names, ensure_ascii=False).encode()


@pytest.mark.attack("data", "told as text")
def test_hostile_names_of_unreadable_pictures_are_told_as_text(tmp_path: Path) -> None:
    data = pictures(tmp_path)
    with open(os.path.join(os.fsencode(data / "0"), b"\xff.png"), "wb") as file:  # noqa: PTH118, PTH123  # as above
        file.write(b"broken")
    batch = load_samples(data, ANYTHING, SETTINGS, skip_bad=True).read(np.arange(7))
    assert [Path(name).name for name in batch.unreadable] == ["\N{REPLACEMENT CHARACTER}.png"]


@pytest.mark.attack("data", "left out where that was asked for")
def test_a_hostile_picture_is_explained_as_little(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(SamplesError, match="an input cannot be read"):
        load_inputs([tmp_path / "a.png"], ANYTHING, SETTINGS)


@pytest.mark.attack("data", "refused with four lines, exit code 4")
@pytest.mark.parametrize("settings", [Preprocess(resize=256), Preprocess(resize=(2, 2), center_crop=3000)])
def test_a_hostile_thin_picture_is_not_made_a_large_one(tmp_path: Path, settings: Preprocess) -> None:
    (tmp_path / "a.png").write_bytes(png(1, 65_000, 1))
    thin = read_image(tmp_path / "a.png")
    assert thin.size < MOST_PIXELS
    prepared = settings.for_input(InputSpec("x", (1, 1, 4, 4)))
    if settings.center_crop is None:
        with pytest.raises(SamplesError, match="too large"):
            image_to_input(thin, prepared)
    else:
        assert image_to_input(thin, prepared).shape == (1, 3000, 3000)


def test_a_thin_picture_is_cropped_before_it_is_bordered() -> None:
    thin = np.arange(9, dtype=np.uint8)[None, :, None]
    assert center_crop(thin, 3, 4)[:, :, 0].tolist() == [[0] * 4, [2, 3, 4, 5], [0] * 4]


def test_a_picture_that_does_not_fit_is_told_of_before_all_are_floats(tmp_path: Path) -> None:
    data = pictures(tmp_path)
    samples = load_samples(data, InputSpec("x", (None, 1, 3, 3)), SETTINGS)
    with pytest.raises(SamplesError, match="does not fit"):
        samples.read(np.arange(6))
    Image.new("L", (3, 3)).save(data / "0" / "0.png")
    with pytest.raises(SamplesError, match="different sizes"):
        samples.read(np.arange(6))


@pytest.mark.attack("data", "refused with four lines, exit code 4")
@pytest.mark.parametrize("size", [10**9, (10**9, 10**9), (1, MOST_MADE + 1), 4097])
@pytest.mark.parametrize("key", ["resize", "center_crop"])
def test_hostile_sizes_are_no_settings(key: str, size: object) -> None:
    with pytest.raises(ConfigError, match="too large"):
        Preprocess(**{key: size})  # type: ignore[arg-type]  # either key


@pytest.mark.attack("data", "refused with four lines, exit code 4")
@pytest.mark.parametrize("settings", [Preprocess(rescale=1e300), Preprocess(mean=(1e308,)), Preprocess(std=(1e-320,))])
def test_hostile_factors_give_an_error_and_no_warning(settings: Preprocess) -> None:
    (spec, x) = InputSpec("x", (None, 4)), np.arange(24).reshape(6, 4)
    from onnxcausal.samples.arrays import array_samples  # noqa: PLC0415

    with pytest.raises(SamplesError, match="NaN or infinity"):
        array_samples(x, np.arange(6), spec, settings, source="x").read(np.arange(6))


def test_made_up_inputs_are_not_without_end() -> None:
    with pytest.raises(ConfigError, match="too many probe inputs"):
        synthetic_samples(InputSpec("x", (None, 4)), 10**18, 0, lambda x: x)


MEASURED = """
import resource, sys
from pathlib import Path
import numpy as np
from onnxcausal.errors import SamplesError
from onnxcausal.samples.load import load_samples
from onnxcausal.samples.preprocess import Preprocess
from onnxcausal.samples.source import InputSpec
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    samples = load_samples(Path(sys.argv[1]), InputSpec("x", ()), Preprocess())
    samples.read(np.arange(len(samples)))
except SamplesError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.attack("data", "refused in little memory")
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units")
@pytest.mark.parametrize(
    "name",
    [
        "archive: bomb of 2 GiB",
        "IDX, gzipped: claims 4 GB",
        "picture: 30,000 x 30,000",
        "picture: 5,000 x 5,000 that nothing shrinks",
        "picture: a file of a TiB that takes no place",
        "table: a file of a TiB that takes no place",
        "class names: a file of a TiB that takes no place",
    ],
)
def test_hostile_data_take_no_memory(tmp_path: Path, name: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", MEASURED, SAMPLES[name](tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(told.stdout) < SPARE
