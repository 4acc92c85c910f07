"""What every check of the model raises: the requirement that refuses, and why."""


class Refused(Exception):
    """A value, message or request that a requirement of the spec refuses.

    `requirement` is the id without brackets, e.g. `wire.version`.
    """

    def __init__(self, requirement: str, text: str = "") -> None:
        super().__init__(f"[{requirement}] {text}")
        self.requirement = requirement
        self.text = text


def require(condition: bool, requirement: str, text: str = "") -> None:
    """Raises `Refused` unless `condition` holds."""
    if not condition:
        raise Refused(requirement, text)
