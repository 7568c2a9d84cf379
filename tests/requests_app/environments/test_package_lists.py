"""What a list of packages may say: exact versions, with or without hashes, and nothing that pip would act on."""

import pytest

from common.errors import Refused
from requests_app.environments import package_lists

HASH = "a" * 64


@pytest.mark.parametrize(
    "text",
    [
        "six==1.17.0",
        "# comment\nsix == 1.17.0  # why\n\n",
        f"six==1.17.0 \\\n    --hash=sha256:{HASH} \\\n    --hash=sha256:{HASH}\n",
        'six[extra]==1.17.0 ; python_version >= "3.11"',
    ],
)
def test_exact_versions_are_taken(text):
    assert package_lists.check(text) == {"six": "1.17.0"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "six",
        "six>=1",
        "six==1.*",
        "-r other.txt",
        "--index-url https://example.org",
        "six==1.17.0 --index-url https://example.org",
        "-e .",
        "six @ https://example.org/six.whl",
        "./six.whl",
        "six==1.17.0 --hash=md5:abc",
        "six==1.17.0\nSIX==1.16.0",
        f"six==1.17.0 --hash=sha256:{HASH}\nidna==3.10",
        "six==1.17.0 --config-settings=x=y",
        'six==1.17.0 ; python_version > "3" --index-url=https://example.org',
        'six==1.17.0 ; python_version > "${SECRET}"',
        "six==1.17.0\x00",
        "x" * (package_lists.LIMIT + 1),
        "\n".join(f"p{number}==1" for number in range(package_lists.PACKAGES + 1)),
    ],
)
def test_nothing_else_is_taken(text):
    with pytest.raises(Refused):
        package_lists.check(text)
