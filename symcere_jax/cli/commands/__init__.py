"""The commands, a module each. Their flags clash: import one of them in a process, not two."""

# group -> commands
GROUPS = {
    "data": ("prepare", "encode", "check"),
    "model": ("train", "evaluate", "recommend", "export", "serve"),
    "study": ("baselines", "compare", "tune", "ablate"),
    "insight": ("explain", "anchoring", "bias", "report"),
}


def module_of(command: str) -> str:
    """The dotted name of the module of a command."""
    [group] = [group for group, commands in GROUPS.items() if command in commands]
    return f"{__name__}.{group}.{command}"
