"""Baselines: other recommenders under the same evaluator, data and protocol."""
