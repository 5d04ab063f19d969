"""The file of a comparison: small where many classes changed, and what it leaves out is said."""

import json

import jsonschema
import pytest

from onnxcausal.analysis.comparing.comparison import STRONGEST, ComparisonFile, schema, strongest_only, to_json
from onnxcausal.analysis.comparing.contrast import contrast
from onnxcausal.analysis.comparing.snapshot import Snapshot
from tests.support.page_large import large_analysis

CLASSES, WIDTHS = 60, [256, 128, 64]
A_CLASS = 5_000
"""Bytes that a class of three layers may take."""


@pytest.fixture(scope="module")
def comparison() -> ComparisonFile:
    """Two models of which nearly every node of the layer nearest the outcome differs."""
    new = large_analysis(CLASSES, WIDTHS)
    nodes = [node.model_copy(update={"ate": (node.ate or 0.0) + 5}) for node in new.graphs[0].layers[0].nodes]
    graphs = [
        graph.model_copy(
            update={"layers": [graph.layers[0].model_copy(update={"nodes": nodes[::-1]}), *graph.layers[1:]]}
        )
        for graph in new.graphs
    ]
    model = new.model.model_copy(update={"sha256": "c" * 64})
    return contrast(
        Snapshot(large_analysis(CLASSES, WIDTHS)), Snapshot(new.model_copy(update={"graphs": graphs, "model": model}))
    )


def test_a_comparison_of_many_classes_is_small(comparison: ComparisonFile) -> None:
    small, whole = (to_json(held) for held in (strongest_only(comparison), comparison))
    assert len(small) < A_CLASS * CLASSES
    assert len(whole) > 5 * len(small)


def test_the_strongest_changes_are_kept_and_what_is_left_out_is_counted(comparison: ComparisonFile) -> None:
    small = strongest_only(comparison)
    assert (comparison.nodes_listed, small.nodes_listed) == ("every", "strongest")
    for mine, theirs in zip(comparison.classes, small.classes, strict=True):
        for every, few in zip(mine.layers, theirs.layers, strict=True):
            beyond = sorted((abs(node.d or 0.0) for node in every.nodes if node.beyond_sampling), reverse=True)
            assert sorted((abs(node.d or 0.0) for node in few.nodes), reverse=True) == beyond[:STRONGEST]
            assert [node.index for node in few.nodes] == sorted(node.index for node in few.nodes)
            assert few.beyond_sampling == len(beyond)
            assert few.role_changed == sum(node.old_role is not node.new_role for node in every.nodes)
    assert max(layer.beyond_sampling for found in small.classes for layer in found.layers) > STRONGEST


def test_the_layout_changes_no_content_and_fits_the_schema(comparison: ComparisonFile) -> None:
    for held in (comparison, strongest_only(comparison)):
        text = to_json(held)
        assert json.loads(text) == held.model_dump(mode="json")
        jsonschema.validate(json.loads(text), json.loads(schema()))
        assert all(line.count("{") <= 1 for line in text.splitlines())
