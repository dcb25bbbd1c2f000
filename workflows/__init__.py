"""Owns time: workflows without business state, the activities they have done, and the bridge that wakes them."""
