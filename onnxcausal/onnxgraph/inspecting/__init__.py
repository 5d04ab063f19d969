"""What a file tells without being run: facts, findings, and where no mask can be put."""
