"""What admins do with code environments: add, build again, retire and remove them."""

from django.db import IntegrityError, transaction

from accounts.models import User
from audit import log
from common import code_environments, commit, live
from common.access import require
from common.errors import Conflict, Refused
from requests_app import rules
from requests_app.environments import package_lists
from requests_app.environments.builds import State, locked_in, set_state, wake_builder
from requests_app.models import CodeEnvironment


def add_environment(*, by: User, name: str, requirements: str) -> CodeEnvironment:
    """Queue the build of an environment from a list of exact versions. Raises Refused for a bad list or a used name."""
    require(rules.may_manage_environments, by)
    name, text = package_lists.check_name(name), requirements.replace("\r\n", "\n")
    package_lists.check(text)
    if name == code_environments.DEFAULT or code_environments.is_installed(name):
        raise Refused(f"An environment named {name} already exists. Choose another name.")
    try:
        with transaction.atomic():
            made = CodeEnvironment.objects.create(name=name, requirements=text, by=by)
            log.record("environment.add", by=by, on=made)
            wake_builder()
    except IntegrityError as taken:
        raise Refused(f"An environment named {name} already exists. Choose another name.") from taken
    return made


def build_again(item: CodeEnvironment, *, by: User) -> CodeEnvironment:
    """Queue a failed build again."""
    require(rules.may_manage_environments, by)
    with transaction.atomic():
        locked = locked_in(item, State.FAILED)
        changed = set_state(
            locked, State.QUEUED, by=by, action="environment.build_again", log="", begun_at=None
        )
        wake_builder()
    return changed


def retire_environment(item: CodeEnvironment, *, by: User) -> CodeEnvironment:
    """Retire an environment: no new run starts in it, and runs in progress continue."""
    require(rules.may_manage_environments, by)
    with transaction.atomic():
        return set_state(
            locked_in(item, State.READY, State.FAILED), _end_of(item), by=by, action="environment.retire"
        )


def remove_environment(item: CodeEnvironment, *, by: User) -> CodeEnvironment:
    """Delete the files of a retired environment that nothing uses. Its package list and its hash are kept."""
    require(rules.may_manage_environments, by)
    with transaction.atomic():
        locked = locked_in(item, State.RETIRED)
        if not code_environments.is_installed(locked.name):
            raise Conflict("The files of this environment have already been deleted.")
        if why := code_environments.still_used(locked.name):
            raise Conflict(why)
        log.record("environment.remove", by=by, on=locked, sha256=locked.sha256)
        commit.after(code_environments.remove, locked.name)
        live.changed("workers", "all")
    return locked


def _end_of(item: CodeEnvironment) -> str:
    if not item.sha256:
        raise Conflict("This environment has never been built, so it cannot be retired. Build it again.")
    return State.RETIRED
