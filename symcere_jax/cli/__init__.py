"""What the commands share: how they start and end, flags, signals, progress."""
