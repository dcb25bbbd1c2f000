"""What people set out to do, and how far they are."""
