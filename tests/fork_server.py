"""A process that has imported nose2 and the plugin, and forks for each run of nose2.

So a run doesn't pay 0.15 s of CPU time for imports. The child goes on as ``python -m nose2`` does,
and ends as a real interpreter does. The server ends with the process that has started it.
"""

from __future__ import annotations

import gc
import importlib
import marshal
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

__all__ = ["PATIENCE", "ForkServer", "reset_signals", "serve"]

PATIENCE = 60
"""Seconds after which a run is killed."""
_MAIN = (
    "import runpy; from tests.fork_server import serve; serve({}); "
    "runpy._run_module_as_main('nose2')"
)
"""What the server runs. In a child, ``serve`` returns: no frame but this one is below nose2's."""


class ForkServer:
    """Runs nose2 in forked processes, one at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(PATIENCE)
        with theirs:
            command = [sys.executable, "-c", _MAIN.format(theirs.fileno())]
            subprocess.run(
                command,
                pass_fds=[theirs.fileno()],
                env=environment,
                preexec_fn=reset_signals,
                check=True,
            )

    def run(self, *arguments: str, folder: Path, stderr: int) -> subprocess.CompletedProcess[str]:
        """Run nose2 in a folder; ``stderr`` is STDOUT or PIPE, as in ``subprocess.run``."""
        import tempfile  # noqa: PLC0415 -- not in the server: no plain run has it

        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as apart:
            err = out if stderr == subprocess.STDOUT else apart
            request = marshal.dumps((str(folder), arguments))
            socket.send_fds(self._socket, [request], [out.fileno(), err.fileno()])
            pid = int(self._socket.recv(99))
            try:
                status = int(self._socket.recv(99))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                status = int(self._socket.recv(99))
            printed = []
            for file in (out, apart):
                file.seek(0)
                printed.append(file.read().decode(errors="surrogateescape"))
        return subprocess.CompletedProcess(arguments, status, *printed)


def reset_signals() -> None:
    """Let no signal be ignored: a shell ignores some in what it starts in the background."""
    for one in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(one, signal.SIG_DFL)


def serve(descriptor: int) -> None:
    """Fork for each request. Return in the child, when it is ready to run nose2."""
    if os.fork():  # so the server is nobody's child: loops with virtual time wait for children
        os._exit(0)
    _import()
    with socket.socket(fileno=descriptor) as requests:
        folder, arguments, streams = _fork(requests)
    for stream, standard in zip(streams, (1, 2), strict=True):
        os.dup2(stream, standard)
        os.close(stream)
    os.chdir(folder)
    sys.path[0] = folder
    sys.argv = ["-m", *arguments]
    sys.orig_argv = [sys.executable, "-m", "nose2", *arguments]
    sys.modules["__main__"] = ModuleType("__main__")
    for name in ("tests.fork_server", "tests"):
        del sys.modules[name]
    _measure()


def _fork(requests: socket.socket) -> tuple[str, list[str], list[int]]:
    """Return the request in each child. The server ends here."""
    while True:
        request, streams, *_ = socket.recv_fds(requests, 1 << 20, 2)
        if not request:
            sys.exit()
        pid = os.fork()
        if not pid:
            return *marshal.loads(request), streams
        for stream in streams:
            os.close(stream)
        requests.send(str(pid).encode())
        requests.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def _import() -> None:
    """Import what each run imports."""
    for name in (
        "nose2.main",
        "nose2_aio",
        "nose2_aio.suite_execution",
        "nose2_aio.feedback",
        "nose2_aio.suites.arrangement",
        "unittest.mock",
        *importlib.import_module("nose2.plugins").DEFAULT_PLUGINS,
    ):
        importlib.import_module(name)
    if "coverage" in sys.modules:  # it measures this process, which has been measured with this
        measured = sys.modules["coverage"].Coverage.current()
        measured.stop()
        measured.save()
        measured._auto_save = False
    gc.collect()
    # Else a collection in a child would write to all these objects, and so copy their memory: a
    # run would cost three times as much. But then no object is destroyed at exit.
    gc.freeze()


def _measure() -> None:
    """Begin to measure the coverage of this process, if that is measured."""
    if "coverage" in sys.modules:
        sys.modules["coverage"].process_startup(force=True)
