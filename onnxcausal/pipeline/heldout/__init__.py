"""Samples that graphs were not inferred from, split to choose on and to report on, and what a change does there."""
