"""Who may call what, and what bad input is answered with: over every RPC, generated from the descriptors."""
