"""The words of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from weir.command import audit, data, lane, log, session
from weir.command.printed import Printed
from weir.version import VERSION

EXIT_CODES = (
    "Exit codes: 0 done, 1 refused or does not hold, 2 wrong command line, 3 portal cannot be reached, 4 run failed, "
    "5 budget used up."
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of every verb. Each sets `verb`, the function that does it."""
    shared = _shared()
    top = argparse.ArgumentParser(
        prog="weir", description="Ask questions about data that stays where it is.", epilog=EXIT_CODES
    )
    top.add_argument("--version", action="version", version=f"weir {VERSION}")
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, does: Callable[[Any], Printed], text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text, parents=[shared], epilog=EXIT_CODES)
        made.set_defaults(verb=does)
        return made

    _signing(verb)
    _asking(verb)
    _lane(verb)
    _auditing(verb)
    _verifying(verb, shared)
    return top


def _shared() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--portal", metavar="URL", help="the portal, if not WEIR_PORTAL or the only one signed in to"
    )
    shared.add_argument("--json", action="store_true", help="print JSON, also of errors, and no progress")
    shared.add_argument("--quiet", action="store_true", help="show no progress")
    return shared


def _signing(verb: Callable[..., argparse.ArgumentParser]) -> None:
    login = verb(
        "login", session.login, "Sign in to a portal by a code that you type there, and keep the token."
    )
    login.add_argument("url", nargs="?", metavar="URL")
    how = login.add_mutually_exclusive_group()
    how.add_argument("--device", action="store_true", help="sign in again, even if a token is kept")
    how.add_argument("--token-stdin", action="store_true", help="read a token that you made on the portal")
    logout = verb("logout", session.logout, "Forget the token. Revoke it on the portal to make it invalid.")
    logout.add_argument("url", nargs="?", metavar="URL")
    verb("whoami", session.whoami, "Show who you are on the portal, and what your token allows.")
    verb("inbox", session.inbox, "List what waits for you.")


def _asking(verb: Callable[..., argparse.ArgumentParser]) -> None:
    listed = verb("datasets", data.datasets, "List the datasets that you may see, or describe one.")
    listed.add_argument("name", nargs="?", metavar="NAME")
    mock = verb("mock", data.mock, "Download the mock data of a dataset as Parquet files.")
    mock.add_argument("name", metavar="NAME")
    mock.add_argument("-o", "--output", default=".", metavar="DIR")
    query = verb(
        "query",
        data.query,
        "Ask a question within your budget, once you have confirmed its price.",
    )
    query.add_argument("name", metavar="NAME")
    query.add_argument("sql", nargs="?", metavar="SQL")
    query.add_argument("-f", "--file", metavar="QUESTION.json", help="a question as JSON, in place of SQL")
    terms = query.add_mutually_exclusive_group(required=True)
    terms.add_argument("--error", type=float, help="half of the 95 %% interval that you accept")
    terms.add_argument("--epsilon", type=float, help="what the answer may cost, as ε")
    terms.add_argument("--share", type=float, help="what the answer may cost, as a part of your budget")
    query.add_argument("--price", action="store_true", help="only show the price")
    query.add_argument("--yes", action="store_true", help="ask without confirming the price")
    verb("budgets", data.budgets, "List your budgets, and those of your datasets.")
    upload = verb(
        "upload",
        data.upload,
        "Send a file to the draft of your dataset, or continue to.",
    )
    upload.add_argument("name", metavar="NAME")
    upload.add_argument("file", metavar="FILE")
    upload.add_argument("--table", default="", metavar="NAME", help="the name of the table")


def _lane(verb: Callable[..., argparse.ArgumentParser]) -> None:
    tried = verb(
        "mock-run",
        lane.mock_run,
        "Run a file with main() on mock data, and wait. You see all that it writes.",
    )
    sent = verb("submit", lane.submit, "Submit a file with main() for review.")
    for made in (tried, sent):
        made.add_argument("name", metavar="NAME")
        made.add_argument("file", metavar="FILE.py")
        made.add_argument(
            "--param", action="append", default=[], metavar="NAME=VALUE", help="an argument of main()"
        )
        made.add_argument("--purpose", help="what reviewers read: what it is for")
        made.add_argument("--about", help="what reviewers read: what they should know besides")
        made.add_argument("--outputs", help="what reviewers read: what you want released")
        made.add_argument("--title")
        made.add_argument("--request", metavar="ID", help="the request that this is a new version of")
    tried.add_argument("-o", "--output", metavar="DIR", help="where to save what it wrote")
    run = verb("run", lane.run, "Start an approved run on the private data.")
    run.add_argument("id", metavar="REQUEST")
    status = verb("status", lane.status, "Show how a request or run is, or list your requests.")
    status.add_argument("id", nargs="?", metavar="ID")
    for made in (run, status):
        made.add_argument("--follow", action="store_true", help="wait until it has ended")
    result = verb("result", lane.result, "Download the results of a request or run, or an answer.")
    result.add_argument("id", metavar="ID")
    result.add_argument("-o", "--output", default=".", metavar="DIR")
    receipt = verb(
        "receipt",
        lane.receipt,
        "Download the receipt of an answer, a release or a run: weir verify checks it without the portal.",
    )
    receipt.add_argument("id", metavar="ID")
    receipt.add_argument("-o", "--output", metavar="FILE", help="where to save it, if not ID.receipt.json")


def _auditing(verb: Callable[..., argparse.ArgumentParser]) -> None:
    listed = verb(
        "audit", audit.audit, "List the newest entries of the audit log, or write all that match to a file."
    )
    listed.add_argument("name", nargs="?", metavar="NAME", help="of a dataset")
    listed.add_argument("--received", action="store_true", help="only releases, downloads and recalls")
    listed.add_argument("--text", help="words in the action, the object or the actor")
    listed.add_argument("--person", help="their id, or a part of the actor's address")
    listed.add_argument("--action", help="how the action begins: run., run.start")
    listed.add_argument("--since", metavar="DAY", help="the first day, in UTC")
    listed.add_argument("--until", metavar="DAY", help="the last day, in UTC")
    listed.add_argument("-o", "--output", metavar="FILE.csv", help="where to write all entries that match")


def _verifying(verb: Callable[..., argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    checked = verb(
        "verify", log.verify_files, "Verify receipts without the portal, and files against what they record."
    )
    checked.add_argument("files", nargs="+", metavar="FILE", help="receipts, and files that were released")
    about = verb("log", log.check, "Pin the key of a portal's log, or check that the log only grows.")
    steps = about.add_subparsers(required=True, metavar="pin|check")
    pin = steps.add_parser("pin", help="write a file of pins", description=log.pin.__doc__, parents=[shared])
    pin.add_argument("url", metavar="URL")
    pin.add_argument("-o", "--output", required=True, metavar="PINS.json", help="where to keep the key")
    pin.set_defaults(verb=log.pin)
    check = steps.add_parser("check", help="check the log", description=log.check.__doc__, parents=[shared])
    check.add_argument("files", nargs="*", metavar="RECEIPT", help="must be of the same log, too")
    for made in (checked, check):
        made.add_argument("--pins", required=True, metavar="PINS.json", help="whom you trust: weir log pin")
