"""`python -m onnxcausal` is the command line."""

from onnxcausal.cli import main

main()
