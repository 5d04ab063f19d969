"""Repair: which nodes to mask, how far, and what that does on samples that were not used to choose."""
