"""Ask again who it is before something dangerous."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from django.http import HttpResponse

from common.http import UserRequest

View = Callable[..., HttpResponse]


def confirmed_recently(view: View) -> View:
    """Let the view run only within two minutes of a sign-in or of a password or code given again.

    Later, the person is asked first and what they had posted is carried out afterwards.
    """

    @wraps(view)
    def guarded(request: UserRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise_if_reauthentication_required(request, app="accounts")
        return view(request, *args, **kwargs)

    return guarded
