"""A network made ready for interventions: tried, its batch settled, its layers wired, its memory bounded."""

from dataclasses import dataclass, replace

from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.rebatch import settle_batch
from onnxcausal.onnxgraph.network.wiring import Wiring, find_wiring
from onnxcausal.onnxgraph.runner.memory import Memory, batch_within
from onnxcausal.onnxgraph.sandbox.first_run import rehearse
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.samples.source import Inputs


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A network that interventions can be made on.

    Attributes:
        network: the model in a session, run on as many samples at once as memory allows.
        wiring: its layers and their flow.
        memory: the bound on memory.
    """

    network: Network
    wiring: Wiring
    memory: Memory


def make_ready(network: Network, examples: Inputs, machine: Machine, count: int, *, tried: bool = False) -> Ready:
    """Return a network ready for interventions.

    Args:
        network: the model in a session.
        examples: some samples, `[samples, ...]`, one at least: on them it is seen how the model takes them.
        machine: what of the machine may be used.
        count: how many samples there are.
        tried: such samples were run in a process of their own before, as many as are ever run together.

    Raises:
        ModelError: it cannot be run, it does not give one score per class, or its weights stand in no layer.
        NothingToAnalyseError: it has no layer.
    """
    if not tried:
        rehearse(network, examples)
    if network.head is not None and network.head.is_led:
        whole, spec, _ = network.head.part()
        rehearse(replace(network, proto=whole, spec=spec), examples)
    given, network = network, settle_batch(network, examples, machine.provider)
    network.scores(examples[:1])  # what is no score is refused before layers are looked for
    wiring = find_wiring(network, examples[:1])
    memory = Memory.of(machine.memory, network.plain.device)
    batch = batch_within(memory, wiring.row_bytes)
    new = not tried or network.proto is not given.proto
    if new and network.plain.batch is None and min(batch, count) > len(examples):
        rehearse(network, examples, min(batch, count))
    return Ready(replace(network, batch=batch), wiring, memory)
