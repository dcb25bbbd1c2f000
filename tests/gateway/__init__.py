"""The gateway in front of the real services."""
