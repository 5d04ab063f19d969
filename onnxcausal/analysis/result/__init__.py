"""Results as values in memory: analyses, explanations, inspections, estimates of a run."""
