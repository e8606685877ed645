"""Training: a recipe in, a run folder out. Every run is resumable and says what it was made from."""
