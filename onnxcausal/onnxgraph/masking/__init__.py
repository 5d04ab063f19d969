"""Multiplicative masks on the weights of layers, set, fed and removed, and what stands in for what they take away."""
