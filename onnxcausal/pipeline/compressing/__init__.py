"""Compression: which channels to take out of a model, how many, and what that does on other samples."""
