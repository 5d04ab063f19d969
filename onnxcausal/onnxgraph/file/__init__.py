"""Model files on disk: read under limits, hashed, written whole, their weights in one file or in several."""
