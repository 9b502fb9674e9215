"""Constraints that pin every dependency to the oldest version that setup.cfg allows.

python tests/oldest.py > constraints.txt
pip install --constraint constraints.txt .
"""

import configparser
import re
from pathlib import Path

SETUP = Path(__file__).parents[1] / "setup.cfg"
REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9_.-]+)(\[[a-z,]+\])?(>=|==)(?P<version>[0-9A-Za-z.]+)"
)


def constraints(setup: Path = SETUP, *, extras: bool = False) -> dict[str, str]:
    """The oldest version of each dependency.

    Args:
        setup: the file that declares dependencies as `name>=version`.
        extras: also those of all extras.
    """
    parser = configparser.ConfigParser()
    parser.read(setup, encoding="utf-8")
    declared = [parser["options"]["install_requires"]]
    if extras:
        declared += parser["options.extras_require"].values()
    oldest = {}
    for line in "\n".join(declared).split("\n"):
        if not line.strip() or line.strip().startswith("symcere-jax["):  # extras of its own
            continue
        match = REQUIREMENT.fullmatch(line.strip())
        if match is None:
            raise SystemExit(f"error: {setup}: {line!r} must be name>=version")
        oldest[match["name"]] = match["version"]
    return oldest


if __name__ == "__main__":
    print("\n".join(sorted(f"{name}=={version}" for name, version in constraints().items())))
