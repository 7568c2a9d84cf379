"""What can happen: each action of the log in words, and by which of them something derived from data reaches somebody.

The list is closed: an action that is not in it cannot be recorded. So whoever adds a way in which files, answers, logs
or rows reach somebody has to say here who receives them.
"""

from dataclasses import dataclass
from enum import StrEnum


class Receiver(StrEnum):
    """Who received something that was derived from the dataset."""

    NOBODY = ""
    ACTOR = "actor"
    """Who acted: they opened or downloaded it."""
    PERSON = "person"
    """Whom the entry concerns: it was let out to them, or taken back."""


@dataclass(frozen=True, slots=True)
class Action:
    """What one kind of entry says."""

    words: str
    receiver: Receiver = Receiver.NOBODY


ACTIONS: dict[str, Action] = {
    "access.ask": Action("Asked for access"),
    "access.deny": Action("Declined access"),
    "access.grant": Action("Gave access"),
    "access.revoke": Action("Took access away"),
    "access.withdraw": Action("Withdrew a request for access"),
    "answer.lost": Action("An automatic answer was lost"),
    "answer.released": Action("Released an automatic answer", Receiver.PERSON),
    "answer.voided": Action("An automatic answer was not computed"),
    "audit.export": Action("Exported the log"),
    "budget.changed": Action("Changed a budget"),
    "budget.closed": Action("Closed a budget"),
    "budget.commit": Action("Charged a budget"),
    "budget.given": Action("Gave a budget"),
    "budget.reserved": Action("Reserved part of a budget"),
    "budget.void": Action("Gave a reservation back to a budget"),
    "checkpoint.ask": Action("Asked for a checkpoint of the log"),
    "checkpoint.key": Action("Made a key that signs the log"),
    "comment.write": Action("Wrote a comment"),
    "dataset.create": Action("Created a dataset"),
    "dataset.freeze": Action("Froze a dataset"),
    "dataset.policy": Action("Changed a dataset's policy"),
    "dataset.retire": Action("Retired a dataset"),
    "dataset.transfer": Action("Gave a dataset to another owner"),
    "dataset.unfreeze": Action("Unfroze a dataset"),
    "dataset.update": Action("Changed a dataset's description"),
    "device.allow": Action("Allowed a program to sign in"),
    "device.refuse": Action("Refused a program"),
    "environment.add": Action("Added a code environment"),
    "environment.build": Action("Began to build a code environment"),
    "environment.build_again": Action("Asked for a code environment to be built again"),
    "environment.fail": Action("A code environment could not be built"),
    "environment.ready": Action("A code environment is ready"),
    "environment.remove": Action("Removed a code environment"),
    "environment.retire": Action("Retired a code environment"),
    "invitation.accept": Action("Accepted an invitation"),
    "invitation.create": Action("Invited somebody"),
    "invitation.first_admin": Action("Invited the first admin"),
    "invitation.revoke": Action("Revoked an invitation"),
    "ledger.exported": Action("Exported the ledger of people", Receiver.ACTOR),
    "log.download": Action("Downloaded the log of a run", Receiver.ACTOR),
    "log.view": Action("Opened the log of a run", Receiver.ACTOR),
    "mock.restore": Action("Went back to the declared mock"),
    "mock.sample": Action("Replaced mock data by a sampled mock"),
    "network.listing.change": Action("Changed which portals see a dataset"),
    "output.add": Action("Added an excerpt of a log to the outputs"),
    "output.download": Action("Downloaded a released file", Receiver.ACTOR),
    "output.download_held": Action("Downloaded a held file", Receiver.ACTOR),
    "output.verdict": Action("Decided on an output"),
    "output.view": Action("Opened a held file", Receiver.ACTOR),
    "protection.created": Action("Made a promise"),
    "protection.incomplete": Action("The ledger of people is incomplete"),
    "protection.newcomers": Action("People came into a promise"),
    "protection.rows_published": Action("Published numbers of rows"),
    "release.begin_check": Action("Began to check outputs"),
    "release.expire": Action("Held outputs expired"),
    "release.recall": Action("Recalled released outputs", Receiver.PERSON),
    "release.recorded": Action("Recorded what was released"),
    "release.reject": Action("Rejected outputs"),
    "release.release": Action("Released outputs", Receiver.PERSON),
    "release.request_changes": Action("Asked for changes of the outputs"),
    "request.approve": Action("Approved a version"),
    "request.begin_review": Action("Began to review a version"),
    "request.draft": Action("Began a request"),
    "request.endorse": Action("Approved a version, which needs more approvals"),
    "request.expire": Action("An approval expired"),
    "request.reject": Action("Rejected a version"),
    "request.request_changes": Action("Asked for changes of a version"),
    "request.revoke": Action("Revoked an approval"),
    "request.submit": Action("Submitted a version"),
    "request.withdraw": Action("Withdrew a request"),
    "reviewer.add": Action("Made somebody a reviewer"),
    "reviewer.remove": Action("Removed a reviewer"),
    "revision.begin": Action("Began a revision"),
    "revision.discard": Action("Discarded a revision"),
    "revision.publish": Action("Published a revision"),
    "revision.retire": Action("Retired a revision"),
    "rows.view": Action("Looked at private rows", Receiver.ACTOR),
    "run.ask": Action("Asked for a run"),
    "run.cancel": Action("Cancelled a run"),
    "run.cancel_queued": Action("Cancelled a waiting run"),
    "run.cancelled": Action("A run ended, as it was cancelled"),
    "run.fail": Action("A run failed"),
    "run.open_data": Action("A run opened private data"),
    "run.running": Action("A run's code began"),
    "run.start": Action("A run began"),
    "run.succeed": Action("A run succeeded"),
    "session.end_all": Action("Signed out everywhere"),
    "session.lock_out": Action("Too many failed attempts to sign in"),
    "session.sign_in": Action("Signed in"),
    "session.sign_in_failed": Action("An attempt to sign in failed"),
    "session.sign_out": Action("Signed out"),
    "table.declare": Action("Declared the columns of a table"),
    "table.keep": Action("Kept a table for the next revision"),
    "table.read": Action("Rows of a table were read"),
    "table.remove": Action("Removed a table"),
    "terms.write": Action("Wrote terms of use"),
    "token.make": Action("Made an access token"),
    "token.revoke": Action("Revoked an access token"),
    "token.use": Action("Used an access token for the first time that day"),
    "top_up.asked": Action("Asked for a larger budget"),
    "top_up.denied": Action("Declined a larger budget"),
    "top_up.granted": Action("Granted a larger budget"),
    "upload.begin": Action("Began an upload"),
    "upload.cancel": Action("Cancelled an upload"),
    "upload.reread": Action("Changed how a file is read"),
    "upload.view": Action("Looked at private rows of a file", Receiver.ACTOR),
    "user.add_factor": Action("Added a second sign-in step"),
    "user.approve_registration": Action("Approved a registration"),
    "user.change_password": Action("Changed a password"),
    "user.confirm_address": Action("Confirmed an e-mail address"),
    "user.grant_role": Action("Gave a role"),
    "user.refuse_registration": Action("Refused a registration"),
    "user.register": Action("Registered"),
    "user.register_again": Action("Tried to register with a known address"),
    "user.reinstate": Action("Reinstated a person"),
    "user.remove_factor": Action("Removed a second sign-in step"),
    "user.renew_factor": Action("Renewed recovery codes"),
    "user.reset_password": Action("Reset a password"),
    "user.reset_second_step": Action("Reset somebody's second sign-in step"),
    "user.suspend": Action("Suspended a person"),
    "user.take_role": Action("Took a role away"),
    "user.update": Action("Changed a profile"),
    "worker.drain": Action("Drained a worker"),
    "worker.undrain": Action("Stopped draining a worker"),
    "workers.pause": Action("Paused all runs"),
    "workers.resume": Action("Resumed runs"),
}
RECEIVED = frozenset(name for name, action in ACTIONS.items() if action.receiver)
