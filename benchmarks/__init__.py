"""What makes the tables of README.md and docs/: scores, speed, the service.

Each is a module that is started from the root of the repository, as its docstring says, and so
measures that tree; `--update` puts its table into a page.
"""
