"""Files of the outside world, which may be anything: read within bounds, written without following links."""
