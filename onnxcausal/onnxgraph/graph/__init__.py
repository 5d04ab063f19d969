"""The parts of an ONNX graph as data: ops, tensors, their index and traits, and edits of them; nothing is run here."""
