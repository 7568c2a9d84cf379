"""The portal's web server with rates that a fuzzer does not reach: `python -m tests.portal.fuzzing.generous --port N`.

Only the numbers differ. A run that is answered with nothing but 429 says nothing about the API.
"""

import sys

from portal import server  # isort:skip -- installs the reactor, before anything else imports Twisted
from common.rest import rates


def main() -> int:
    rates.RATES.update(dict.fromkeys(rates.RATES, 1_000_000))
    return server.main()


if __name__ == "__main__":
    sys.exit(main())
