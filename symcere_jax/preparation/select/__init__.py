"""Which reviews are kept, and which of them train, validate and test."""
