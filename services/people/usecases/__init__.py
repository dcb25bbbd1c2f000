"""One function for each thing that can be asked of people."""
