"""People: who works here, who answers to whom, and who may see what."""
