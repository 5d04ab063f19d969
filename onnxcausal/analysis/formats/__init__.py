"""Files: one module for each format, with what is written, read back and checked."""
