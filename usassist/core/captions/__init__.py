"""Words: the vocabulary of targets and the captions models learn from. Data in resources/, no torch."""
