"""Reading: files become studies and frames, and whatever goes wrong becomes a sentence (`ReadError`)."""
