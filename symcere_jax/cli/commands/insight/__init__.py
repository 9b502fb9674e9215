"""Commands that explain models and report on runs."""
