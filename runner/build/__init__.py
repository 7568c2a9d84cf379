"""How a code environment is built, so that nothing of it ever runs on the host. See runner/build/pipeline.py."""


class CannotBuild(RuntimeError):
    """The environment was not made; the text says why. What was there before is still there."""
