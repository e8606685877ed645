"""A project on disk: facts, annotations, journal, drafts and locks, written so that no work is lost or mislabelled."""
