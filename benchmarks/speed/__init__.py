"""Time and memory of training, preparation and encoding."""
