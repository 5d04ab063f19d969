"""How far float arithmetic may be off, as shares of what was computed."""

FLOAT_NOISE = 3.4
"""Difference between two graphs of one function, in units of the float type's epsilon times the largest class score:
4e-7 in float32, as measured on networks of up to 50 layers."""
LARGEST_NOISE = 1000.0
"""Beyond this, in the same unit, it is no rounding: the samples of a batch influence each other."""
LARGEST_SHARE = 0.05
"""The same as a share of the largest class score, for coarse float types."""
