"""Least-squares weights for what is left of a pruned model, and the file that holds them."""
