"""Time, memory and output of a trained model in use."""
