"""The RPCs of reviews, one module a topic."""
