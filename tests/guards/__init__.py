"""The guards of the repository, and the proof that each of them can fail."""
