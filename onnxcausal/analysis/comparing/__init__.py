"""What differs between two analyses beyond what sampling explains."""
