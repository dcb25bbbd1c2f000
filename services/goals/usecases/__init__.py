"""What can be asked of goals: one function per intent."""
