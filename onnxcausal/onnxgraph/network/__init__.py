"""A model made ready to be run on samples: cut at its class scores, with one input, a batch and known wiring."""
