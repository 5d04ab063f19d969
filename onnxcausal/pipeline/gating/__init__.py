"""Gates of a run, the baseline it is compared with, and the reports that CI reads."""
