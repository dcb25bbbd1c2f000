"""What a running stack emits, against what is registered and what operators are promised."""
