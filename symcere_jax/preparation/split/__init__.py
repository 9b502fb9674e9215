"""Which of the selected reviews train, validate and test."""
