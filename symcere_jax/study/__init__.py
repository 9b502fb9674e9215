"""Many runs with one aim: the search for settings, ablations; and scores of finished runs.

Nothing is imported here: a worker process imports no more than its task needs.
"""
