"""How large the weights of each child are, against its edges taken one by one."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.pruning.weight_norms import child_sizes
from tests.support.networks import OPSET
from tests.support.pruned import builder, layers_of, stored

KINDS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "Conv": ((6, 2, 3, 3), {"group": 2}),
    "ConvTranspose": ((4, 3, 3, 3), {"group": 2}),
    "Gemm": ((5, 4), {"transB": 1}),
    "MatMul": ((4, 5), {}),
}


def slowly(kind: str, weight: NDArray[np.float64]) -> list[float]:
    match kind:
        case "Conv":
            return [float(np.abs(one).mean()) for one in weight]
        case "ConvTranspose":  # parents 0 and 1 make children 0 to 2, parents 2 and 3 the others
            return [float(np.abs(weight[2 * (c // 3) : 2 * (c // 3) + 2, c % 3]).mean()) for c in range(6)]
        case "Gemm":
            return [float(np.abs(row).mean()) for row in weight]
        case _:
            return [float(np.abs(column).mean()) for column in weight.T]


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_of_a_child_is_the_mean_of_its_absolute_weights(kind: str) -> None:
    shape, attributes = KINDS[kind]
    b = builder()
    weight = b.weight(*shape)
    maps: list[int | str] = ["N", 4, 5, 5] if len(shape) > 2 else ["N", 4]
    proto = b.model(maps, b.add(kind, ["x", weight], **attributes), output_rank=len(maps))
    (layer,) = layers_of(proto)
    found = child_sizes(index_graph(proto, OPSET), layer)
    np.testing.assert_allclose(found, slowly(kind, stored(proto)[weight].astype(np.float64)), rtol=1e-12)
