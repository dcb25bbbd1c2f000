"""Faults injected into the whole system, on stacks of their own."""
