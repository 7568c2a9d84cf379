"""Run build steps in this host's sandbox, the same as for runs, but with writable folders on disk."""

import os
import platform
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from runner.build import CannotBuild
from runner.build.index import MORE_HOSTS
from runner.build.relay import Relay
from runner.build.steps import OPTIONS, VARIABLES, Step
from runner.contract import MIB, Limits
from runner.host import seccomp
from runner.host.bwrap_options import View
from runner.host.interpreter import Interpreter
from runner.host.linux import memory_files
from runner.host.local_sandbox import Command, LocalSandbox, NotStarted, start
from runner.host.session import grouped
from runner.host.state import own_uid

LIMITS = Limits(wall_s=30, memory_mb=3072, pids=64, log_mb=0.1)
TICK_S, LOOK_S = 0.5, 2.0
SCRIPT = "/weir/step.py"
CERTIFICATES = tuple(
    map(Path, ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandboxed:
    """A sandbox that sees the host's Python, C library and CA certificates, and what a step names."""

    bwrap: Path
    python: Interpreter

    @property
    def missing(self) -> str:
        return ""

    def try_out(self) -> None:
        """Raise NotStarted if bubblewrap is installed but not allowed to work."""
        with (
            own_uid() as uid,
            closing(start(self._command(uid, ["-c", "pass"], self._view), None)) as sandbox,
        ):
            end = time.monotonic() + LIMITS.wall_s
            while sandbox.turn(TICK_S) and time.monotonic() < end:
                pass
            sandbox.finish()
            if sandbox.returned != 0:
                raise NotStarted(sandbox.stderr.text().strip())

    def run(self, step: Step) -> None:
        with own_uid() as uid, grouped(LIMITS) as group:
            for folder in step.writes.values():
                os.chown(folder, uid if uid is not None else -1, -1)
            try:
                sandbox = start(self._command_of(step, uid), group)
            except NotStarted as bad:
                raise CannotBuild(f"{step.failure}: the sandbox did not start. {bad}") from bad
            with closing(sandbox):
                _await_end(sandbox, step)

    def _command_of(self, step: Step, uid: int | None) -> Command:
        names = [*step.reads, *step.writes, *step.files, *(["pip"] if step.pip else [])]
        given = {name: f"/weir/{name}" for name in names} | dict(step.words)
        given |= {"control": "{control}"} if step.serve else {}
        words = [f"{name}={value}" for name, value in given.items()]
        profile = seccomp.Profile.FETCH if step.serve else seccomp.Profile.START
        return self._command(uid, [SCRIPT, *words], lambda opened: self._view(opened, step), profile)

    def _command(
        self,
        uid: int | None,
        arguments: Sequence[str],
        view: Callable[[list[int]], View],
        profile: seccomp.Profile = seccomp.Profile.START,
    ) -> Command:
        return Command(
            program=self.bwrap,
            view=view,
            arguments=[self.python.command, *OPTIONS, *arguments],
            seccomp=seccomp.build(platform.machine(), profile),
            nested_users=bool(os.statvfs("/proc/sys").f_flag & os.ST_RDONLY),
            uid=uid,
            log_bytes=int(LIMITS.log_mb * MIB),
        )

    def _view(self, opened: list[int], step: Step | None = None) -> View:
        library = {"LD_LIBRARY_PATH": self.python.library_path} if self.python.library_path else {}
        binds, lent, files = list(self.python.mounts), list[tuple[Path, str]](), dict[str, bytes]()
        if step is not None:
            files = {f"/weir/{name}": content for name, content in step.files.items()}
            files[SCRIPT] = step.source.read_bytes()
            binds += [(path, f"/weir/{name}") for name, path in step.reads.items()]
            binds += [(step.pip, "/weir/pip/pip")] if step.pip else []
            binds += [(path, str(path)) for path in step.seen]
            binds += [(path.resolve(), str(path)) for path in CERTIFICATES if path.exists() and step.serve]
            lent = [(path, f"/weir/{name}") for name, path in step.writes.items()]
        return View(
            binds=binds,
            lent=lent,
            files=memory_files(files, opened),
            links=self.python.links,
            empty=self.python.empty,
            variables=VARIABLES | library,
        )


def _await_end(sandbox: LocalSandbox, step: Step) -> None:
    """Wait until everything inside has ended. Raises CannotBuild."""
    with ExitStack() as stack:
        relay, next_look = None, 0.0
        while sandbox.turn(TICK_S):
            if sandbox.ready and relay is None and step.serve:
                relay = stack.enter_context(step.serve(socket.socket(fileno=os.dup(sandbox.folders[0]))))
            if time.monotonic() > next_look:
                step.check()
                next_look = time.monotonic() + LOOK_S
        sandbox.finish()
    if sandbox.returned == 0:
        return
    if sandbox.group is not None and sandbox.group.out_of_memory():
        raise CannotBuild(f"{step.failure}: it used more than {LIMITS.memory_mb:,} MB of memory.")
    raise step.failed(sandbox.stdout.text() + sandbox.stderr.text() + _refused(relay))


def _refused(relay: Relay | None) -> str:
    if relay is None or not relay.refused:
        return ""
    return (
        f"\nThe package index points to {', '.join(sorted(relay.refused))}, which neither pip's configuration nor the "
        f"pages of the index name. If the index stores files there, add the host to {MORE_HOSTS}."
    )
