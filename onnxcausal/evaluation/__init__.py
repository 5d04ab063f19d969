"""How good explanations are: the protocols of Ahmad et al. 2023, sec. 5; a model is a callable here."""
