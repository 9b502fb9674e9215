"""Search for settings, ablations, and comparisons of finished runs.

Nothing is imported here: a worker process imports no more than its task needs.
"""
