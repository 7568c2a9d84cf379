"""How comments are shown, and the forms they are written in."""

import pytest
from django.test import Client
from django.urls import reverse

from requests_app.templatetags.requests_text import remark
from tests import make


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Use `min_count=1` here.", "<p>Use <code>min_count=1</code> here.</p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("```\na < b\n```", "<pre><code>a &lt; b\n</code></pre>"),
        ("`<script>`", "<p><code>&lt;script&gt;</code></p>"),
        ("<img src=x onerror=y>", "<p>&lt;img src=x onerror=y&gt;</p>"),
        ("[click](javascript:x)", "<p>[click](javascript:x)</p>"),
        ("# heading", "<p># heading</p>"),
        ("EXIT_NONZERO", "<p>EXIT_NONZERO</p>"),
    ],
    ids=["code", "lines", "block", "tag in code", "tag", "link", "heading", "name"],
)
def test_a_remark_shows_code_and_nothing_dangerous(text: str, shown: str) -> None:
    assert remark(text).replace("<br />", "<br>") == f'<div class="remark">{shown}\n</div>'


@pytest.mark.django_db
def test_forms_on_several_lines_have_ids_of_their_own(client: Client) -> None:
    item = make.code_request(at="submitted")
    client.force_login(item.dataset.owner, backend="django.contrib.auth.backends.ModelBackend")
    path = reverse("requests:comment", args=[item.latest_id])
    found = [
        client.get(f"{path}?line={line}", headers={"HX-Request": "true"}).content.decode() for line in (1, 2)
    ]
    assert [f'id="line-{line}-text"' in shown for line, shown in enumerate(found, start=1)] == [True, True]
    wrong = client.post(path, {"line": "2", "text": ""}, headers={"HX-Request": "true"}).content.decode()
    assert 'id="line-2-text"' in wrong
    assert "This field is required." in wrong
