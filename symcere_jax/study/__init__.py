"""Many runs with one aim: the search for settings, ablations.

Nothing is imported here: a process that starts imports no more than its job needs.
"""
