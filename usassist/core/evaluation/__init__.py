"""Masks scored against their truth, and the report about it; the model is run elsewhere and handed over as cases."""
