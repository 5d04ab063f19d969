"""One layer of a model computed as another file of the same model computes it."""
