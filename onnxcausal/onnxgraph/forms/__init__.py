"""The forms in which masks stand in a file that is handed out: masked, folded, switchable, with notes for viewers."""
