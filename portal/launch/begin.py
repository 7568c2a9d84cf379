"""The first half of bin/launch, on the system's Python: install, then hand over to the environment's Python."""

import os

from portal.launch import install, options
from portal.launch.console import Trouble, say


def main(arguments: list[str]) -> int:  # noqa: RET503 -- execv does not return
    chosen = options.parse(arguments)
    try:
        options.check(chosen)
        install.everything(requirements="portal.txt")
    except Trouble as trouble:
        say(f"Weir did not start. {trouble}")
        return 1
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    os.chdir(install.ROOT)
    os.execv(install.PYTHON, [str(install.PYTHON), "-m", "portal.launch", *arguments])  # noqa: S606 -- no shell wanted
