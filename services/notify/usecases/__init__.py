"""What can be asked of notify: one function per intent."""
