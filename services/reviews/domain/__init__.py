"""The rules of performance reviews: standard library only."""
