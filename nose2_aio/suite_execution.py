"""How the suite of a nose2 session is executed: in this process, or in worker processes."""

from __future__ import annotations

import os
from typing import Any

from nose2 import util
from nose2.events import OutcomeDetailEvent, TestOutcomeEvent
from nose2.result import FAIL

from nose2_aio.config import nose2_plugins
from nose2_aio.errors import WorkerStartError
from nose2_aio.introspection import tracebacks
from nose2_aio.run import Execute, Run
from nose2_aio.workers import retries, role

__all__ = ["SuiteExecution"]


class SuiteExecution:
    """Executes a suite, in place of nose2."""

    def __init__(self, run: Run, session: Any, *, is_share: bool = False) -> None:
        """``is_share`` is True in a worker process of nose2's plugin ``mp``."""
        self._run = run
        self._session = session
        self._is_sent = nose2_plugins.is_on(nose2_plugins.MP, session) and not is_share
        """True if nose2's plugin ``mp`` sends the tests to other processes."""

    def __call__(self, execute: Execute, suite: Any, result: Any) -> Any:
        """Execute a suite on a result; ``execute`` is nose2's own function for that."""
        run, hooks = self._run, self._session.hooks.hooks
        try:
            if not self.has_workers:
                return run.execute(execute, suite, result, is_sent=self._is_sent)
            # it needs the traceback, so a worker asks it
            for plugin in self._registered(nose2_plugins.PRETTY):
                hooks["outcomeDetail"].plugins.remove(plugin)
            return run.execute_in_workers(suite, result, self.describe_error)
        except WorkerStartError as error:
            run.is_cut = True
            self._session.argparse.exit(2, f"nose2: error: {error}\n")
        finally:
            reporters = nose2_plugins.defined_in(nose2_plugins.JUNIT, self._session)
            for plugin in reporters:
                retries.complete_junit(plugin, run.failures, run.found_in)

    @property
    def has_workers(self) -> bool:
        """True if tests run in worker processes of ours, or this is one."""
        if role.current_worker() is not None:
            return True
        workers = self._run.settings.workers
        if workers and nose2_plugins.is_on(nose2_plugins.DEBUGGER, self._session):
            self._run.note("workers: with -D, tests run in the main process")
            return False
        if workers and os.name != "posix":
            self._run.note("workers: this system has none, so tests run in the main process")
            return False
        return workers > 0

    def describe_error(self, test: Any, error: Any) -> str:
        """Return what nose2 prints for an error, with its plugin ``prettyassert``."""
        tracebacks.trim(error[1], head=False)
        event = OutcomeDetailEvent(TestOutcomeEvent(test, None, FAIL, error))
        for plugin in self._registered(nose2_plugins.PRETTY):
            plugin.outcomeDetail(event)
        return "\n".join([util.exc_info_to_string(error, test), *event.extraDetail])

    def _registered(self, module: str) -> list[Any]:
        found = nose2_plugins.defined_in(module, self._session)
        return [plugin for plugin in found if plugin.registered]
