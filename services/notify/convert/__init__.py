"""Between the wire and the domain, pure and total."""
