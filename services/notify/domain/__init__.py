"""Messages, their wording, and what may go wrong; pure."""
