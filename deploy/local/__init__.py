"""The embedded stack: real PostgreSQL, real Temporal, Redis and every process of Attune under one supervisor."""
