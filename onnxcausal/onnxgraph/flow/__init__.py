"""Layers, what follows each, and how channels travel from the children of one to the parents of the next."""
