"""Proto ↔ domain, pure; one module per topic."""
