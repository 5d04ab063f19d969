"""The result of an analysis and its file format."""
