"""The command line as a user runs it, against the real gateway and services."""
