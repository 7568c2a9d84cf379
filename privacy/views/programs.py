"""How a program asks the same question, or reads the same answer: code shown on the page of an answer."""

import json
from uuid import uuid4

from django.conf import settings
from django.urls import reverse

from privacy.engine.accounting import noise_epsilon
from privacy.models import Answer

CURL = """\
curl -X POST '{url}' \\
  -H "Authorization: Bearer $WEIR_TOKEN" \\
  -H 'Content-Type: application/json' -H 'Idempotency-Key: {key}' \\
  -d '{body}'"""
PYTHON = """\
import json, urllib.request
from os import environ

call = urllib.request.Request(
    "{url}",
    data={body!r}.encode(),
    headers={{
        "Authorization": "Bearer " + environ["WEIR_TOKEN"],
        "Content-Type": "application/json", "Idempotency-Key": "{key}",
    }},
)
print(json.dumps(json.load(urllib.request.urlopen(call)), indent=2, ensure_ascii=False))"""
READING = """\
import weir

portal = weir.login({url!r})
answer = portal.answers[{pk!r}]  # costs nothing
{use}"""


def calls(item: Answer) -> list[dict[str, str]]:
    """Return how to ask the same from a program, with epsilon rounded down, so that the stored answer is returned."""
    epsilon = noise_epsilon(item.mu, item.budget.promise.noise_delta)
    asked: dict[str, object] = {"sql": item.sql} if item.sql else {"query": item.query}
    url = settings.BASE_URL + reverse("api:budget_answers", args=[item.budget_id])
    body = json.dumps({**asked, "epsilon": float(f"{epsilon * 0.9995:.3e}")}, ensure_ascii=False)
    key = str(uuid4())
    return [
        {"name": "curl", "code": CURL.format(url=url, key=key, body=body.replace("'", "'\\''"))},
        {"name": "Python", "code": PYTHON.format(url=url, key=key, body=body)},
    ]


def in_client(item: Answer, use: str) -> str:
    """Return how to read an answer with the Python client. `use`: lines that go on with `answer`."""
    return READING.format(url=settings.BASE_URL, pk=str(item.pk), use=use)
