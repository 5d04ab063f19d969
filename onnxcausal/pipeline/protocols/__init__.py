"""The evaluation protocols, one file each: from causal graphs and held-out samples to numbers."""
