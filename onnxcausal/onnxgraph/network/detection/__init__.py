"""Detectors: which output has the scores of boxes, and one score per class from them."""
