"""The second half of bin/launch, on the environment's Python: start, announce, supervise and stop the portal."""

import os
import sys

from portal.launch import options, supervisor
from portal.launch.console import Trouble, say
from portal.launch.one_portal import Launch
from portal.launch.state import State
from portal.launch.three_portals import NetworkDemo


def main() -> int:
    chosen = options.parse(sys.argv[1:])
    supervisor.on_signals()
    os.umask(0o077)
    launch = NetworkDemo(chosen) if chosen.demo == options.NETWORK else Launch(chosen, State(chosen.state))
    say("Starting Weir")
    code = 0
    try:
        launch.run()
    except Trouble as trouble:
        say(f"Weir did not start. {trouble}")
        code = 1
    except supervisor.Stop:
        say("Stopping…")
    launch.stop()
    if not code:
        say("Stopped. All data is still there.")
    return code


if __name__ == "__main__":
    sys.exit(main())
