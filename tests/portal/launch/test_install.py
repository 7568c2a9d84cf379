"""What bin/launch finds installed, and what it has to install again."""

from pathlib import Path

import pytest

from portal.launch import install
from runner import environments


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(install, "ENVIRONMENT", tmp_path / "root" / "default")
    listed = tmp_path / "default.txt"
    listed.write_text("# nothing\n")
    return listed


def test_the_environment_is_there_once_the_builder_has_built_it(listed: Path):
    assert not install._has_environment(listed)
    environments.build("default", listed, install.ENVIRONMENT.parent)
    assert install._has_environment(listed)


def test_another_list_or_a_python_that_is_gone_make_it_be_built_again(listed: Path):
    environments.build("default", listed, install.ENVIRONMENT.parent)
    listed.write_text("# something else\n")
    assert not install._has_environment(listed)
    listed.write_text("# nothing\n")
    config = install.ENVIRONMENT / "pyvenv.cfg"
    config.write_text(config.read_text().replace("home = ", "home = /gone"))
    assert not install._has_environment(listed)
    environments.build("default", listed, install.ENVIRONMENT.parent)
    assert install._has_environment(listed)
