"""The calls that an answer's page shows do what they say when they are pasted: in curl and in Python."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.services import tokens
from privacy import services
from privacy.models import Answer, Budget, LedgerLine
from privacy.services import questions
from tests import make

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

PATIENCE = 60
QUESTIONS = {
    "quotes of both kinds": "SELECT COUNT(*) FROM \"wages\" WHERE region = 'east'",
    "several lines": "SELECT region, AVG(wage)\nFROM wages\nGROUP BY region",
}


@pytest.fixture
def budget(live: SimpleNamespace, transactional_db: None) -> Budget:
    data, scientist = make.dataset(), make.scientist()
    make.grant(data, scientist)
    made = services.protect(
        data, by=data.owner, epsilon=20, public_size=30, constants=["region"], scientists=1
    )
    return services.give_budget(made, scientist, by=data.owner)


def answered(budget: Budget, sql: str) -> Answer:
    by = budget.scientist
    quoted = questions.quote(budget, questions.read_sql(budget, sql).query, by=by, epsilon=2.0)
    answer = questions.ask(budget, quoted, key=uuid4(), by=by, text=sql)
    end = time.monotonic() + PATIENCE
    while Answer.objects.get(pk=answer.pk).state != Answer.State.RELEASED:
        assert time.monotonic() < end
        time.sleep(0.05)
    return answer


def shown(answer: Answer, live: SimpleNamespace, which: str) -> str:
    """Return the text that the Copy button copies."""
    client = Client()
    client.force_login(answer.budget.scientist, backend="django.contrib.auth.backends.ModelBackend")
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page = Request(  # noqa: S310 -- our own portal
        live.url + reverse("privacy:answer", args=[answer.pk]),
        headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"},
    )
    found = re.search(rf'id="code-{which}".*?<code>(.*?)</code>', urlopen(page).read().decode(), re.DOTALL)  # noqa: S310
    assert found is not None
    return html.unescape(found[1])


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("which", ["curl", "python"])
def test_a_pasted_call_gives_the_stored_answer_at_no_cost(
    which: str, question: str, budget: Budget, live: SimpleNamespace
) -> None:
    answer = answered(budget, QUESTIONS[question])
    code = shown(answer, live, which)
    _, token = tokens.make(by=budget.scientist, name="a program", scopes=["ask"])
    if which == "curl" and shutil.which("curl") is None:
        pytest.skip("There is no curl here.")
    command = ["sh", "-c", code] if which == "curl" else [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        env={**os.environ, "WEIR_TOKEN": token},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    told = json.loads(done.stdout)
    assert (told["id"], told["stored"], told["state"]) == (str(answer.pk), True, "released")
    assert told["result"] == json.loads(json.dumps(Answer.objects.get(pk=answer.pk).result))
    assert LedgerLine.objects.filter(kind=LedgerLine.Kind.RESERVE).count() == 1
