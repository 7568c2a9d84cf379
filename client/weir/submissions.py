"""Code on its way to review: a function or a file, a draft of it on the portal, mock runs and the submission."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import cards
from weir.coderequests import CodeRequest, new_request
from weir.declarations import listed, nearest
from weir.errors import NotOffered
from weir.runs import Run
from weir.sources import MAIN, Source, program_in, source_of
from weir.things import checked_id

if TYPE_CHECKING:
    from weir.transport import Transport

MOST_CODE = 1_000_000


@dataclass(frozen=True)
class About:
    """What a request says besides its code. What is None is left as it is."""

    purpose: str | None = None
    about: str | None = None
    outputs: str | None = None
    title: str | None = None
    environment: str | None = None

    def fields(self) -> dict[str, str]:
        """Return the fields of a draft."""
        known = {
            "purpose": self.purpose, "context": self.about, "outputs": self.outputs, "title": self.title,
            "environment": self.environment,
        }  # fmt: skip
        return {name: value for name, value in known.items() if value is not None}


@dataclass
class Submission:
    """Code for review. `source` is exactly the text that is sent.

    main.run_on_mock().results["result.json"]; request = main.send(); request.wait()
    """

    _transport: Transport
    dataset: Mapping[str, Any]
    code: Source
    words: About
    request: CodeRequest | None = None
    quiet: bool = False
    function: Callable[..., Any] | None = field(default=None, repr=False)

    @property
    def source(self) -> str:
        """The text that reviewers read and the portal runs."""
        return self.code.text

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments of main besides the tables. Change one with `submission.parameters["year"] = 1990`."""
        return self.code.parameters

    def save(self) -> CodeRequest:
        """Save it as a draft on the portal, and return the request."""
        self._check()
        if self.request is None:
            title = self.words.title or f"{self.dataset['name']}: {(self.words.purpose or MAIN)[:80]}"
            self.request = new_request(self._transport, str(self.dataset["id"]), title, quiet=self.quiet)
        return self.request.save(code=self.source, parameters=self.parameters, **self.words.fields())

    def run_on_mock(self) -> Run:
        """Run it on mock data on the portal, and wait. You see all that it writes: `.results` and `.log`.

        Raises RunFailed, with the end of what it wrote to stderr.
        """
        return self.save().run_on_mock()

    def send(self) -> CodeRequest:
        """Submit it for review, and return the request. Wait for its results: `request.wait()`."""
        request = self.save()
        request.submit()
        return request

    def __call__(self, *tables: Any, **given: Any) -> Any:
        """Call the function here, on tables of your own such as mock rows."""
        if self.function is None:
            raise NotOffered(
                "This code is in a file. Import it to call it here, or run it on mock data: .run_on_mock()."
            )
        return self.function(*tables, **given)

    def _check(self) -> None:
        """Refuse arguments that nothing is passed for, and parameters that are not JSON."""
        schema = self._transport.get(f"datasets/{self.dataset['id']}/schema/")
        names = [str(each["name"]) for each in schema["tables"]]
        for name in self.code.tables:
            if name not in {*names, *self.parameters}:
                raise NotOffered(
                    f"main takes “{name}”, which is not a table of {self.dataset['name']}.{nearest(name, names)} Its "
                    f"tables are {listed(names)}. A parameter needs a default: def main(…, {name}=…)."
                )
        for name, value in self.parameters.items():
            _check_json(name, value)

    def __repr__(self) -> str:
        sent = f", {self.request.state}" if self.request else ". Not sent: .run_on_mock(), .send()"
        return f"Submission: {MAIN} for {self.dataset['name']}{sent}"

    def _repr_html_(self) -> str:
        return cards.facts(repr(self), self.parameters.items(), cards.code(self.source))


@dataclass(frozen=True)
class Submitter:
    """What a request says besides its code. Decorate a function with it, or name a file."""

    transport: Transport
    dataset: Mapping[str, Any]
    words: About
    helpers: tuple[Callable[..., Any], ...] = ()
    request: CodeRequest | str | None = None
    quiet: bool = False

    def __call__(self, function: Callable[..., Any]) -> Submission:
        """Return the submission of a function."""
        return self._made(_checked(source_of(function, self.helpers)), function)

    def file(self, path: Path | str, **parameters: Any) -> Submission:
        """Return the submission of a file that defines main. Nothing of it runs here."""
        return self._made(_checked(program_in(path, parameters)))

    def _made(self, code: Source, function: Callable[..., Any] | None = None) -> Submission:
        request = self.request
        if request is not None and not isinstance(request, CodeRequest):
            found = self.transport.get(f"requests/{checked_id(request)}/")
            request = CodeRequest(self.transport, found, quiet=self.quiet)
        return Submission(self.transport, self.dataset, code, self.words, request, self.quiet, function)


def _checked(source: Source) -> Source:
    if len(source.text.encode()) > MOST_CODE:
        raise NotOffered(
            f"The code is longer than {MOST_CODE:,} bytes. Leave data out of it: read a table instead."
        )
    return source


def _check_json(name: str, value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as bad:
        raise NotOffered(
            f"The parameter {name} cannot be sent as JSON: {bad}. Give numbers, texts, true or false, or lists of them."
        ) from bad
