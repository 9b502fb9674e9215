"""Constraints that pin every dependency to the oldest version that setup.cfg allows.

python tests/oldest.py > constraints.txt
pip install --constraint constraints.txt .
"""

import configparser
import re
from pathlib import Path

SETUP = Path(__file__).parents[1] / "setup.cfg"


def constraints(setup: Path = SETUP, extras: tuple[str, ...] = ()) -> list[str]:
    """Lines for pip, a dependency each.

    Args:
        setup: the file that declares dependencies as `name>=version`.
        extras: whose dependencies to pin too.
    """
    parser = configparser.ConfigParser()
    parser.read(setup, encoding="utf-8")
    declared = parser["options"]["install_requires"]
    declared += "".join(parser["options.extras_require"][extra] for extra in extras)
    lines = [line.strip() for line in declared.splitlines() if line.strip()]
    pinned = {}
    for line in lines:
        found = re.fullmatch(r"([A-Za-z0-9_.-]+)(>=|==)([0-9A-Za-z.]+)", line)
        if found is None:
            raise SystemExit(f"error: {setup}: {line!r} must be name>=version")
        pinned[found[1]] = f"{found[1]}=={found[3]}"
    return sorted(pinned.values())


if __name__ == "__main__":
    print("\n".join(constraints()))
