"""The `attune` command: a client of the REST gateway, and the local stack."""
