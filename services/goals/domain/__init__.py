"""Goals, their rules, and what may go wrong; pure."""
