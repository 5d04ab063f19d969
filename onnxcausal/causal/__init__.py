"""The method's numerics: effects, significance, graph. Knows numpy and scipy, and no ONNX."""
