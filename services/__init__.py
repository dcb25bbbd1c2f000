"""The services of Attune, each a process of its own, and the runtime that they share."""
