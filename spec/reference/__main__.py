"""`python -m reference COMMAND`, or `python spec/reference COMMAND` from the root of the repository."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from reference import check_spec, driver, vectoring

COMMANDS = {
    "check-spec": lambda arguments: check_spec.run(),
    "write-vectors": vectoring.write,
    "verify-vectors": vectoring.verify,
    "member": driver.member,
    "coordinator": driver.coordinator,
    "cross-run": driver.cross_run,
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        print("commands: " + ", ".join(COMMANDS), file=sys.stderr)
        return 2
    return 1 if COMMANDS[arguments[0]](arguments[1:]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
