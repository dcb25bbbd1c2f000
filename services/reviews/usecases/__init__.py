"""One function per intent: load, rule, save."""
