"""Arrays, `.npz`, IDX and tables."""

import gzip
import tracemalloc
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.samples.arrays import MOST_SAMPLES, array_samples, read_npz
from onnxcausal.samples.idx import read_idx_pair
from onnxcausal.samples.load import load_samples
from onnxcausal.samples.preprocess import Preprocess
from onnxcausal.samples.source import InputSpec
from onnxcausal.samples.table import read_table

PLAIN = Preprocess()
FEATURES = InputSpec("x", (None, 4))
MAPS = InputSpec("x", (None, 1, 2, 2))
LABELS = np.array([0, 1, 1])


def idx(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    return header + values.astype(np.uint8).tobytes()


def test_float_arrays_are_taken_as_they_are() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    samples = array_samples(x, LABELS, FEATURES, Preprocess(rescale=99.0), source="arrays")
    np.testing.assert_array_equal(samples.read(np.array([2, 0])).x, x[[2, 0]].astype(np.float32))


def test_integer_features_are_rescaled() -> None:
    x = np.arange(12).reshape(3, 4)
    samples = array_samples(x, LABELS, FEATURES, Preprocess(rescale=0.5), source="arrays")
    np.testing.assert_array_equal(samples.read(np.arange(3)).x, x / 2)


@pytest.mark.parametrize(
    "settings", [Preprocess(resize=8), Preprocess(center_crop=8), Preprocess(mean=(0.1, 0.2, 0.3))]
)
def test_features_refuse_what_only_images_go_through(settings: Preprocess) -> None:
    with pytest.raises(SamplesError, match="does not fit the data"):
        array_samples(np.arange(12).reshape(3, 4), LABELS, FEATURES, settings, source="arrays")


@pytest.mark.parametrize("shape", [(3, 2, 2), (3, 2, 2, 1), (3, 1, 2, 2)])
def test_integer_images_of_any_layout_are_preprocessed(shape: tuple[int, ...]) -> None:
    x = np.arange(12, dtype=np.uint8)
    samples = array_samples(x.reshape(shape), LABELS, MAPS, Preprocess(rescale=0.1), source="arrays")
    np.testing.assert_allclose(samples.read(np.arange(3)).x, x.reshape(3, 1, 2, 2) * np.float32(0.1))


@pytest.mark.parametrize("shape", [(None, 4), (None, 2, 2), (None, 4, 1), (1, 1, 2, 2), (None, 2, 2, 1)])
def test_an_image_fits_a_flat_input_and_axes_of_size_one(shape: tuple[int | None, ...]) -> None:
    x = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    samples = array_samples(x, LABELS, InputSpec("x", shape), PLAIN, source="arrays")
    assert samples.read(np.arange(3)).x.reshape(3, 4).tolist() == x.reshape(3, 4).tolist()


def test_a_shape_that_does_not_fit_shows_both() -> None:
    with pytest.raises(SamplesError, match="does not fit") as caught:
        array_samples(np.zeros((3, 5)), LABELS, FEATURES, PLAIN, source="data.npz")
    assert "[any, 4]" in caught.value.where
    assert "[5]" in caught.value.why
    with pytest.raises(SamplesError, match="does not fit"):  # rows and columns are never swapped in silence
        array_samples(np.zeros((3, 2, 3)), LABELS, InputSpec("x", (None, 3, 2)), PLAIN, source="data.npz")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    x = np.zeros((3, 4))
    x[1, 2] = value
    samples = array_samples(x, LABELS, FEATURES, PLAIN, source="data.npz")
    with pytest.raises(SamplesError, match="NaN or infinity"):
        samples.read(np.arange(3))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 4)), np.zeros(2, int), "do not belong together"),
        (np.zeros((3, 4)), np.array([0.5, 1, 2]), "not class indices"),
        (np.zeros((3, 4)), 2 * np.eye(3, dtype=int), "not class indices"),
        (np.zeros((3, 4)), np.array(["a", "b", "c"]), "not class indices"),
        (np.array([["a"] * 4] * 3), np.zeros(3, int), "has the type"),
        (np.full((3, 2, 2), 999), np.zeros(3, int), "outside 0..255"),
    ],
)
def test_wrong_arrays_are_refused(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(SamplesError, match=message):
        array_samples(x, y, MAPS if x.ndim == 3 else FEATURES, PLAIN, source="arrays")


@pytest.mark.attack("data", "refused with four lines, exit code 4")
@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ((2, 9000, 9000), "81,000,000 pixels"),
        ((2, 3, 4097, 4096), "16,781,312 pixels"),
        ((2, 70_000, 2, 3), "a side of it has 70,000"),
        ((MOST_SAMPLES + 1, 4), f"of at most {MOST_SAMPLES:,}"),
        ((2, 2**24), "one sample is [16777216]"),
    ],
)
def test_hostile_shapes_are_refused_before_anything_is_made_of_them(shape: tuple[int, ...], why: str) -> None:
    x = np.broadcast_to(np.uint8(0), shape)
    labels = np.broadcast_to(np.uint8(0), shape[:1])
    tracemalloc.start()
    with pytest.raises(SamplesError) as caught:
        array_samples(x, labels, MAPS if len(shape) > 2 else FEATURES, PLAIN, source="arrays")
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()
    assert why in caught.value.why


@pytest.mark.attack("data", "read in little memory")
@pytest.mark.parametrize("order", ["C", "F"])
def test_hostile_tables_of_classes_are_looked_at_in_parts(order: Literal["C", "F"]) -> None:
    classes = np.ones((3, 2**22), np.uint8, order=order)
    classes[1] = 0
    tracemalloc.start()
    samples = array_samples(np.zeros((3, 4)), classes, FEATURES, PLAIN, source="arrays")
    assert tracemalloc.get_traced_memory()[1] < classes.nbytes
    tracemalloc.stop()
    np.testing.assert_array_equal(samples.labels, classes == 1)


def test_whole_numbered_floats_are_labels() -> None:
    assert array_samples(np.zeros((3, 4)), LABELS * 1.0, FEATURES, PLAIN, source="arrays").labels.dtype == np.int64


def test_an_npz_file_without_x_and_y_lists_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", images=np.zeros(3))
    with pytest.raises(SamplesError, match="no arrays named x and y") as caught:
        read_npz(tmp_path / "data.npz")
    assert "images" in caught.value.why


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.array([{"a": 1}], dtype=object), y=np.zeros(1))
    with pytest.raises(SamplesError, match="cannot be read"):
        read_npz(tmp_path / "data.npz")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04broken"])
def test_a_damaged_npz_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(SamplesError, match="cannot be read"):
        read_npz(tmp_path / "data.npz")


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("named", ["images-idx3-ubyte", "labels-idx1-ubyte"])
def test_an_idx_pair_is_found_from_either_file(tmp_path: Path, zipped: bool, named: str) -> None:
    x = np.arange(12).reshape(3, 2, 2)
    suffix = ".gz" if zipped else ""
    for name, values in (("t10k-images-idx3-ubyte", x), ("t10k-labels-idx1-ubyte", LABELS)):
        (tmp_path / (name + suffix)).write_bytes(gzip.compress(idx(values)) if zipped else idx(values))
    images, labels = read_idx_pair(tmp_path / f"t10k-{named}{suffix}")
    np.testing.assert_array_equal(images, x)
    np.testing.assert_array_equal(labels, LABELS)
    samples = load_samples(tmp_path / f"t10k-{named}{suffix}", MAPS, PLAIN)
    assert samples.read(np.array([1])).x.tolist() == [[[[4, 5], [6, 7]]]]


def test_a_damaged_gzip_stream_is_refused(tmp_path: Path) -> None:
    for name, values in (("a-images-idx3-ubyte.gz", np.zeros((300, 9, 9))), ("a-labels-idx1-ubyte.gz", np.zeros(300))):
        content = bytearray(gzip.compress(idx(values)))
        content[20:30] = b"\xff" * 10
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SamplesError, match="IDX file cannot be read"):
        read_idx_pair(tmp_path / "a-images-idx3-ubyte.gz")


@pytest.mark.parametrize("content", [b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\x01\0", idx(np.zeros((3, 2, 2)))[:-1]])
def test_a_damaged_idx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "images-idx3-ubyte").write_bytes(content)
    (tmp_path / "labels-idx1-ubyte").write_bytes(idx(LABELS))
    with pytest.raises(SamplesError, match="IDX file cannot be read"):
        read_idx_pair(tmp_path / "images-idx3-ubyte")


def test_half_an_idx_pair_names_the_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a-images-idx3-ubyte").write_bytes(idx(np.zeros((3, 2, 2))))
    with pytest.raises(SamplesError, match="half of an IDX pair") as caught:
        read_idx_pair(tmp_path / "a-images-idx3-ubyte")
    assert caught.value.where.endswith("a-labels-idx1-ubyte")


TABLE = "width,species,height\n1,iris,2.5\n3,rose,4\n5,iris,6\n"


@pytest.mark.parametrize(("column", "labels"), [("species", [0, 1, 0])])
def test_a_table_has_features_labels_and_names(tmp_path: Path, column: str, labels: list[int]) -> None:
    (tmp_path / "data.csv").write_text("\ufeff" + TABLE, encoding="utf-8")
    table = read_table(tmp_path / "data.csv", column, None)
    features, indices, names = table.features, table.labels, table.class_names
    assert features.tolist() == [[1, 2.5], [3, 4], [5, 6]]
    assert indices.tolist() == labels
    assert names == ("iris", "rose")


@pytest.mark.parametrize(("header", "position"), [("a,label,b", 1), ("target,a,b", 0), ("a,b,c", 2)])
def test_the_label_column_is_recognised_or_last(tmp_path: Path, header: str, position: int) -> None:
    (tmp_path / "data.csv").write_text(f"{header}\n0,0,0\n1,1,1\n1,1,1\n")
    table = read_table(tmp_path / "data.csv", None, None)
    features, indices = table.features, table.labels
    assert indices.tolist() == [0, 1, 1]
    assert features.shape == (3, 2)
    assert table.label_column == header.split(",")[position]


def test_labels_written_as_floats_are_the_whole_numbers_they_are(tmp_path: Path) -> None:
    rows = "\n".join(f"0,{label}.0" for label in range(12))
    (tmp_path / "data.csv").write_text(f"a,y\n{rows}\n")
    table = read_table(tmp_path / "data.csv", None, None)
    indices, names = table.labels, table.class_names
    assert indices.tolist() == list(range(12))
    assert names is None


@pytest.mark.parametrize(("header", "column"), [("0,1,target", None), ("0,1,2", None), ("3.5,1.5,7", "7")])
def test_numbers_may_be_column_names(tmp_path: Path, header: str, column: str | None) -> None:
    (tmp_path / "data.csv").write_text(f"{header}\n5,6,0\n7,8,1\n")
    assert read_table(tmp_path / "data.csv", column, None).labels.tolist() == [0, 1]


def test_labels_written_like_the_class_names_are_those_names(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,y\n5,01\n6,02\n")
    assert read_table(tmp_path / "data.csv", None, ["01", "02", "03"]).labels.tolist() == [0, 1]


def test_a_damaged_stream_inside_a_sound_archive_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "data.npz", x=np.random.default_rng(0).normal(size=(50, 4)), y=np.zeros(50))
    content = bytearray((tmp_path / "data.npz").read_bytes())
    content[100:160] = bytes(60)
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(SamplesError, match="cannot be read"):
        read_npz(tmp_path / "data.npz")


def test_a_single_array_renamed_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.zeros(3))
    (tmp_path / "data.npy").rename(tmp_path / "data.npz")
    with pytest.raises(SamplesError, match="a single array"):
        read_npz(tmp_path / "data.npz")


def test_no_samples_at_all_are_refused() -> None:
    with pytest.raises(SamplesError, match="data is empty"):
        array_samples(np.zeros((0, 2, 2), np.uint8), np.zeros(0, int), MAPS, PLAIN, source="arrays")


def test_an_unknown_label_column_has_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(TABLE)
    with pytest.raises(ConfigError, match="no column 'specis'") as caught:
        read_table(tmp_path / "data.csv", "specis", None)
    assert "species" in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a,y\n1,0\nx,1\n", "line 3"),
        ("a,y\n1\n", "line 2"),
        ("1.5,0\n2.5,1\n", "line 1"),
        ("a;y\n1;0\n", ""),
        ("a,y\n", ""),
        ("", ""),
    ],
)
def test_a_table_that_is_not_numbers_names_the_line(tmp_path: Path, content: str, line: str) -> None:
    (tmp_path / "data.csv").write_text(content)
    with pytest.raises(SamplesError) as caught:
        read_table(tmp_path / "data.csv", None, None)
    assert line in caught.value.where


def test_a_missing_source_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="no such data"):
        load_samples(tmp_path / "nothing.npz", FEATURES, PLAIN)
    (tmp_path / "data.parquet").write_bytes(b"PAR1")
    with pytest.raises(SamplesError, match="kind of the data"):
        load_samples(tmp_path / "data.parquet", FEATURES, PLAIN)


def test_class_names_beside_the_data_are_used(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.zeros((3, 4)), y=LABELS)
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert load_samples(tmp_path / "data.npz", FEATURES, PLAIN).class_names == ("cat", "dog")
    (tmp_path / "labels.txt").write_text("\n")
    with pytest.raises(SamplesError, match="class names is empty"):
        load_samples(tmp_path / "data.npz", FEATURES, PLAIN)


def test_the_digest_follows_the_content() -> None:
    x = np.zeros((3, 4))
    first = array_samples(x, LABELS, FEATURES, PLAIN, source="a").digest()
    assert array_samples(x.copy(), LABELS, FEATURES, PLAIN, source="b").digest() == first
    assert array_samples(x + 1, LABELS, FEATURES, PLAIN, source="a").digest() != first
