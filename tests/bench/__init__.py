"""Benches: each is a command that prints a ratio, the two numbers behind it and its gate; `make bench` runs all."""
