"""A process of its own for what an unknown model file may do: opening it, and running it for the first time."""
