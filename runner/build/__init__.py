"""Building code environments without ever running their packages on the host. See runner/build/pipeline.py."""


class CannotBuild(RuntimeError):
    """The environment was not built; the message says why. An earlier one of the same name still exists."""
