"""A file as its maker wrote it: edited so that all else stays byte for byte, and compared with another."""
