"""Proto ↔ domain, pure and total; one module a topic."""
