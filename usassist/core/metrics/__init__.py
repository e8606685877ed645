"""Numbers that compare masks, scores and readers: pure functions of arrays."""
