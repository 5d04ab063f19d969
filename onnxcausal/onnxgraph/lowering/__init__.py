"""Rewrites of ops that hide their weights (quantised, fused) into standard ops that compute the same."""
