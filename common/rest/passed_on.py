"""Operations that pass a call on to another portal."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.http import HttpResponseBase

from common.errors import TooLarge
from common.rest import schema
from common.rest.endpoints import Endpoint, Mark, Operation, as_operation, content_of
from common.rest.grants import Call


def forwards(**checks: Any) -> Mark:
    """Mark a method that passes the call on to another portal, which checks parameters and body itself.

    The method gets the body as it came, and returns the response itself.
    """

    def decorated(method: Callable[..., Any]) -> Any:
        @wraps(method)
        def passed(view: Endpoint, request: Call, **kwargs: Any) -> HttpResponseBase:
            content = content_of(request)
            if len(content) > view.body_limit:
                raise TooLarge(
                    f"The body of this request is longer than {view.body_limit:,} bytes. Send less."
                )
            return cast("HttpResponseBase", method(view, request, content, **kwargs))

        return as_operation(passed, Operation(**checks), schema.Described())

    return decorated
