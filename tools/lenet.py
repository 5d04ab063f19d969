"""LeNet-5, its training and its export, shared by the scripts that make the shipped models (extra `train`)."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

BATCH = 128
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-4
LARGEST_SHIFT = 2
"""Training images are moved by up to this many pixels in each direction."""
OPSET = 18


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998) with ReLU and max pooling: 32x32 grey images, ten classes, logits."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits `[samples, 10]` of images `[samples, 1, 32, 32]` with levels 0..1."""
        maps = functional.max_pool2d(functional.relu(self.conv1(image)), 2)
        maps = functional.max_pool2d(functional.relu(self.conv2(maps)), 2)
        features = torch.flatten(maps, 1)
        features = functional.relu(self.fc1(features))
        features = functional.relu(self.fc2(features))
        return self.fc3(features)


def train(x: NDArray[np.uint8], y: NDArray[np.int64], *, epochs: int, seed: int) -> LeNet5:
    """Return a network trained on grey levels `x [samples, 32, 32]`; the same arguments give the same weights."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    network = LeNet5()
    images, labels = _tensor(x), torch.from_numpy(y)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(_shifted(images[batch])), labels[batch])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(batch)
        print(f"epoch {epoch + 1} of {epochs}: loss {total / len(images):.4f}", flush=True)
    return network.eval()


def accuracy(network: LeNet5, x: NDArray[np.uint8], y: NDArray[np.int64]) -> float:
    """Return the share of images classified correctly."""
    with torch.no_grad():
        predicted = torch.cat([network(part) for part in _tensor(x).split(1000)]).argmax(1).numpy()
    return float((predicted == y).mean())


def export(network: LeNet5, path: Path) -> str:
    """Write the network as one ONNX file with an open batch size; return the file's SHA-256."""
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 1, 32, 32),),
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes={"image": {0: batch}},
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    model = program.model_proto
    for op in model.graph.node:
        del op.metadata_props[:]  # traces of the exporting machine
        weights = [name for name in op.input if name.endswith(".weight")]
        if weights:
            op.name = f"/{weights[0].removesuffix('.weight')}/{op.op_type}"
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _tensor(x: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(x.astype(np.float32) / 255)[:, None]


def _shifted(images: torch.Tensor) -> torch.Tensor:
    """Return the batch, moved as a whole by a few pixels in a random direction."""
    down, right = torch.randint(-LARGEST_SHIFT, LARGEST_SHIFT + 1, (2,)).tolist()
    return torch.roll(images, (down, right), dims=(2, 3))
