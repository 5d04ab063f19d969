"""The engine that runs the interventions."""

from onnxcausal.analysis.result.settings import EngineKind, Settings
from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.engine.device_pool import PoolEngine, Recipe
from onnxcausal.onnxgraph.engine.interface import Engine
from onnxcausal.onnxgraph.engine.reference import ReferenceEngine
from onnxcausal.onnxgraph.engine.suffix_engine import SuffixEngine
from onnxcausal.onnxgraph.runner.deadline import Watch
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.ready import Ready
from onnxcausal.samples.source import Inputs


def open_engine(
    ready: Ready, settings: Settings, *, machine: Machine, example: Inputs, reference: Inputs | None
) -> Engine:
    """Return the engine that is set."""
    network, wiring, memory = ready.network, ready.wiring, ready.memory
    match settings.engine:
        case EngineKind.REFERENCE if machine.devices:
            raise ConfigError(
                "the reference engine runs on one device",
                where="--devices, --engine reference",
                why="it is there to compare with, not to be fast",
                remedy="leave one of the two out",
            )
        case EngineKind.REFERENCE:
            return ReferenceEngine(network, wiring, reference=reference, provider=machine.provider)
        case EngineKind.SUFFIX if machine.devices:
            recipes = [
                Recipe(
                    model=network.model,
                    spec=network.spec,
                    outcome=network.outcome,
                    proto=network.proto,
                    example=example,
                    reference=reference,
                    provider=network.plain.on_device(device, machine.provider),
                    memory=memory.bound // (len(machine.devices) + 1),
                    precision=settings.precision,
                    watch=None if network.limits is None else Watch(network.limits.seconds, ends_process=True),
                )
                for device in machine.devices
            ]
            return PoolEngine(network, wiring, recipes, memory=memory, precision=settings.precision)
        case EngineKind.SUFFIX:
            return SuffixEngine(
                network,
                wiring,
                reference=reference,
                provider=machine.provider,
                memory=memory,
                precision=settings.precision,
            )
