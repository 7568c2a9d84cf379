"""A browser that does not answer keeps no test from ending."""

from typing import Any

import pytest

from tests import browsers as subject

pytestmark = pytest.mark.e2e


def test_after_a_context_that_does_not_close_there_is_another_browser(
    browsers: subject.Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    context: Any = browsers.open_context()
    page = context.new_page()
    first = browsers.browser
    monkeypatch.setattr(subject, "PATIENCE", 1)
    monkeypatch.setattr(context, "close", lambda: page.wait_for_event("close", timeout=0))
    browsers.close_context(context)
    assert browsers.browser is None
    fresh = browsers.open_context()
    assert (browsers.browser is not first, fresh.new_page().evaluate("1 + 1")) == (True, 2)
    browsers.close_context(fresh)
