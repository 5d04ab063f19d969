"""One file per job: the order of its steps. The only place where the numerics meet the model."""
