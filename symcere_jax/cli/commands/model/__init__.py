"""Commands that train, score and use a model."""
