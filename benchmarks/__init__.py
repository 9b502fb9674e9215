"""What makes the tables of README.md and docs/: scores, speed, the service.

Each script says in its docstring how to start it, and `--update` puts its table into a page. It
adds the root of the repository to the module path first, and so measures the tree it lies in.
"""
