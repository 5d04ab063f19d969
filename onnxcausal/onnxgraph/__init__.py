"""Everything that knows ONNX: files, layers, flow, masks, sessions, engines."""
