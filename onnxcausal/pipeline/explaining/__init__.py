"""From a causal graph and inputs to the places its nodes respond to."""
