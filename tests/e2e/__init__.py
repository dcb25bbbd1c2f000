"""All processes together, as they run."""
