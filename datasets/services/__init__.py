"""The actions on datasets, as one list. Actions on files are in `uploads`, looks at rows in `inspection`."""

from datasets.services.access import (
    add_reviewer,
    ask_access,
    decide_access,
    person_with,
    remove_reviewer,
    revoke_access,
    transfer,
    withdraw_access,
)
from datasets.services.revisions import (
    create,
    declare,
    discard,
    freeze,
    new_revision,
    publish,
    retire,
    retire_revision,
    set_policy,
    unfreeze,
    update,
    write_terms,
)

__all__ = [
    "add_reviewer",
    "ask_access",
    "create",
    "decide_access",
    "declare",
    "discard",
    "freeze",
    "new_revision",
    "person_with",
    "publish",
    "remove_reviewer",
    "retire",
    "retire_revision",
    "revoke_access",
    "set_policy",
    "transfer",
    "unfreeze",
    "update",
    "withdraw_access",
    "write_terms",
]
