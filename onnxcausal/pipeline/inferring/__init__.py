"""From a prepared run to the causal graphs of its classes, chunk by chunk, kept if it is interrupted."""
