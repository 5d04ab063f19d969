"""Where files that are handed out go, and what is checked of them before they get there."""
