"""Operators with a body, from their definitions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun

Array = NDArray[np.float64]


class Loop(OpRun):
    """The body again and again while its condition holds and trips are left; what is absent holds for ever.

    It stands in for that of ONNX's reference evaluator, which takes an absent condition as one that does not hold.
    """

    op_domain = ""

    def need_context(self) -> bool:
        return True

    def _run(
        self,
        trips: NDArray[np.int64] | None,
        condition: NDArray[np.bool_] | None,
        *state: Array,
        body: Any,
        context: Mapping[str, Array],
        **_: object,
    ) -> tuple[Array, ...]:
        held, going, trip = list(state), condition is None or bool(condition), 0
        shown: list[list[Array]] = [[] for _ in body.output_names[1 + len(state) :]]
        while going and (trips is None or trip < int(trips)):
            given = [np.array(trip), np.array(going), *held]
            on, *made = body.run(None, {**context, **dict(zip(body.input_names, given, strict=True))})
            going, trip, held = bool(on), trip + 1, made[: len(state)]
            for rows, row in zip(shown, made[len(state) :], strict=True):
                rows.append(row)
        return (*held, *map(np.stack, shown))


class Scan(OpRun):
    """The body on one slice after another of some inputs; slices of outputs are put together again.

    It stands in for that of ONNX's reference evaluator, which slices along the first axis only.
    """

    op_domain = ""

    def need_context(self) -> bool:
        return True

    def _run(
        self,
        *given: Array,
        body: Any,
        context: Mapping[str, Array],
        num_scan_inputs: int,
        scan_input_axes: Sequence[int] | None = None,
        scan_output_axes: Sequence[int] | None = None,
        scan_input_directions: Sequence[int] | None = None,
        scan_output_directions: Sequence[int] | None = None,
        **_: object,
    ) -> tuple[Array, ...]:
        assert not any(scan_input_directions or ())
        assert not any(scan_output_directions or ())
        held, sliced = list(given[:-num_scan_inputs]), given[-num_scan_inputs:]
        axes = scan_input_axes or [0] * num_scan_inputs
        shown: list[list[Array]] = [[] for _ in body.output_names[len(held) :]]
        for step in range(sliced[0].shape[axes[0]]):
            slices = [value.take(step, axis) for value, axis in zip(sliced, axes, strict=True)]
            made = body.run(None, {**context, **dict(zip(body.input_names, [*held, *slices], strict=True))})
            held = made[: len(held)]
            for rows, row in zip(shown, made[len(held) :], strict=True):
                rows.append(row)
        along = scan_output_axes or [0] * len(shown)
        return (*held, *[np.stack(rows, axis) for rows, axis in zip(shown, along, strict=True)])
