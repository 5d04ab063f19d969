"""From a model file and settings to a model in a session with its samples, layers and engine."""
