"""Everything usassist can do without a window: reading, models, projects, training, evaluation."""
