"""What people and graph tools read: the terminal table, figures, GraphML. Its modules load what they need."""
