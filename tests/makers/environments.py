"""Code environments that admins have added, for tests: as rows, without packages."""

from requests_app.models import CodeEnvironment
from tests import make
from tests.makers.environment_folders import NAME, SHA256


def offered(name: str = NAME, state: str = "ready") -> CodeEnvironment:
    return CodeEnvironment.objects.create(
        name=name, requirements="six==1.17.0\n", by=make.admin(), state=state, sha256=SHA256
    )
