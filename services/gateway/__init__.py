"""REST over the services: it authenticates, converts and forwards; it holds no rule and no database."""
