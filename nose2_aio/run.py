"""A run: a suite on each of its loops, and its findings.

nose2 gives the function that executes the suite, and the result. All other objects of a run are
made here.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import TestCase

from nose2_aio.cases import hooks, limits, unittest_internals
from nose2_aio.cases.adapter import Adapter
from nose2_aio.cases.attribution import Attribution
from nose2_aio.cases.fixture_calls import FixtureCaller
from nose2_aio.cases.fixture_wrappers import FixtureWrappers
from nose2_aio.cases.outcome_recorder import OutcomeRecorder
from nose2_aio.cases.scope_keys import ScopeLevel
from nose2_aio.cases.scopes import Scopes
from nose2_aio.config import tag_lookup
from nose2_aio.config.durations_file import Duration
from nose2_aio.config.seconds import monotonic
from nose2_aio.config.settings import Settings
from nose2_aio.errors import AioError
from nose2_aio.eventloop import debug_stacks, event_loops, wakeup_sources
from nose2_aio.eventloop.problems import Problems
from nose2_aio.introspection import await_chains, monitoring, tracebacks
from nose2_aio.reporting import hang_report
from nose2_aio.reporting.check_results import CheckResults, SummaryEntry
from nose2_aio.reporting.durations import Durations
from nose2_aio.reporting.failures import Failure, Failures
from nose2_aio.reporting.repeats import PassCounts
from nose2_aio.reporting.report_file import ReportFile
from nose2_aio.reporting.timings import PartialTimings, Timings
from nose2_aio.running import interrupts, process_end
from nose2_aio.running.interrupts import Interrupts
from nose2_aio.suites import loop_variants
from nose2_aio.workers import retries, role

if TYPE_CHECKING:
    from nose2_aio.workers.recording import Describe
    from nose2_aio.workers.worker_run import WorkerRun

__all__ = ["Execute", "Found", "Run"]

Execute = Callable[[Any, Any], Any]
"""Executes a suite on a result."""
_PATIENCE = 0.4
"""Seconds beyond its limit and its graces after which a worker is stuck."""

_STUCK = """
It catches every exception, so nothing can end it. The run ends here, and no teardown was run.
With workers = 1 (--aio-workers=1) the process of the test would be killed, and the run would go on.
"""


class Found(NamedTuple):
    """The findings of tests that ran in another process."""

    entries: list[SummaryEntry]
    timings: PartialTimings
    notes: list[str]
    fixtures: Mapping[str, Duration]
    """How long fixtures took, see `nose2_aio.reporting.durations`."""
    known: Counter[str]
    """The lines of these findings for the baseline, if there is one."""


class Run:
    """One run of tests, in this process."""

    def __init__(
        self, settings: Settings, *, is_kept: bool, is_debugging: Callable[[], bool]
    ) -> None:
        """``is_kept`` is True if the timings of each test are recorded.

        ``is_debugging`` returns True if a failing test starts a debugger.
        """
        self.settings = settings
        self.scopes = Scopes(settings, self._judge)
        self.time_limits = self.scopes.options.time_limits
        self.notes = self.time_limits.notes
        self.time_limits.is_off = is_debugging
        self.check_results = CheckResults(settings)
        self.interrupts = Interrupts()
        self.scopes.explain = self._explain
        self.timings = Timings(settings, is_recorded=is_kept)
        self.durations = Durations(settings)
        self.fixtures = FixtureCaller(settings, self.scopes, self.interrupts)
        self.attribution = Attribution(settings, self.check_results)
        self.adapter = Adapter(settings, self.scopes, self.fixtures, self.attribution, self.timings)
        self.fixture_wrappers = FixtureWrappers(
            settings, self.scopes, self.fixtures, self.adapter.definitions, self.durations
        )
        self._slow = self.time_limits.report_slow(settings.slow, self.adapter.running)
        self.is_cut = False
        """True if Ctrl-C has interrupted the run."""
        self.is_replaying = False
        """True while nose2 is told what has happened in a worker process."""
        self.failures = Failures()
        self.outcomes = OutcomeRecorder()
        self._pass_counts = PassCounts()
        self._report_file = ReportFile(settings.report)
        self.outcomes.listeners += [
            *[self._pass_counts] * (settings.repeat > 1),
            *[self.check_results.baseline] * bool(settings.baseline),
            *[self.durations] * bool(settings.durations_file),
            *[self._report_file] * bool(settings.report),
        ]
        self.part = ""
        """Which part of the suite was chosen to run; "" for all of it."""
        self.planned = 0
        """How many tests are to run."""
        self.workers: WorkerRun | None = None
        self._entries: list[SummaryEntry] = []
        self._told: set[str] = set()
        """The failed tests whose reports have their findings, by name."""
        self._signals = ExitStack()

    def begin(self, stop: Callable[[], Any], tell: Callable[[FrameType | None], str]) -> None:
        """Handle signals: ``stop`` ends the run, ``tell`` describes what is running."""
        self.interrupts.stop = stop
        self._signals.enter_context(monitoring.on())
        self._signals.enter_context(debug_stacks.remembered())
        self._signals.enter_context(event_loops.recycling())
        self._signals.enter_context(interrupts.print_on_sigquit(tell))
        self._signals.enter_context(interrupts.treat_sigterm_as_ctrl_c(self.interrupts))
        self._signals.enter_context(interrupts.call_around_suspension(self._suspend, self._resume))

    def end(self) -> None:
        """Close the loop of the run."""
        self.scopes.close_all()
        self._signals.close()
        self.notes.add(*process_end.abandoned_jobs())
        self._entries += self.check_results.take()

    def execute(self, execute: Execute, suite: Any, result: Any, *, is_sent: bool = False) -> Any:
        """Execute a suite, on each of its loops; ``is_sent`` says that other processes do that."""
        wakeup_sources.ignore_foreign_threads()
        # worker processes repeat their shares themselves
        repeated = None if is_sent else loop_variants.repetitions(suite, self.settings)
        self.scopes.has_factories = repeated is not None
        parts: list[tuple[int | None, Any]] = [(None, suite)] if repeated is None else [*repeated]
        del repeated  # or it would keep the suites
        value = None
        try:
            self.planned = self.settings.repeat * sum(one.countTestCases() for _, one in parts)
            suites = self._suites(parts, result, is_sent=is_sent)
            with hooks.replaced(self.adapter), closing(suites):
                for one in suites:
                    value = execute(one, result)
        except KeyboardInterrupt:
            self.is_cut = True
            raise
        else:
            if not is_sent:
                self._retry(result, lambda _, __: "")
            return value
        finally:
            self._entries += self.check_results.take()

    def execute_in_workers(self, suite: Any, result: Any, describe: "Describe") -> None:
        """Execute a suite in worker processes, or be one of them.

        ``describe`` is that of `nose2_aio.workers.recording.RecordingResult`.

        Raises `nose2_aio.errors.WorkerStartError` if no worker can be started.
        """
        wakeup_sources.ignore_foreign_threads()
        with hooks.replaced(self.adapter), self.fixture_wrappers.wrapping(suite):
            from nose2_aio.suites import units
            from nose2_aio.workers.worker_run import WorkerRun

            found = units.units_of_run(suite, self.settings)
            if any(unit.repetition is not None for unit in found):
                self.scopes.has_factories = True
            self.planned = sum(len(unit.tests) for unit in found)
            worker = role.current_worker()
            if worker is not None:
                worker.work(found, self, result=result, describe=describe)
                return
            self.workers = WorkerRun(found, self.settings, self, describe)
            self.workers(result)
            self.is_cut = self.workers.is_interrupted
            self._retry(result, describe)

    def _retry(self, result: Any, describe: "Describe") -> None:
        """Run failed tests again that may be flaky, unless the run was stopped."""
        if not result.shouldStop and retries.are_due(self.failures, self.settings):
            try:
                from nose2_aio.workers.worker_run import WorkerRun
            except OSError as error:  # a test has left no file to open
                self.note(retries.FAILED.format(error=error))
                return
            workers = self.workers or WorkerRun([], self.settings, self, describe)
            self.note(workers.retry(self.failures))
            self.is_cut |= workers.is_interrupted

    def _suites(
        self, parts: list[tuple[int | None, Any]], result: Any, *, is_sent: bool
    ) -> Generator[Any, None, None]:
        """Yield what to execute: on each loop a suite with its fixtures, as ``repeat`` says.

        As a generator, this is not on the stack of a test: asyncio's debug mode saves that often.
        """
        while parts:
            number, part = parts.pop(0)
            if number is not None:
                self.scopes.begin_repetition(number)
            with self.fixture_wrappers.wrapping(part):
                try:
                    for _ in range(0 if is_sent else self.settings.repeat - 1):
                        from nose2_aio.suites import units

                        yield units.copied_suite(part)
                        if result.shouldStop:
                            break
                        unittest_internals.forget_previous_class(result)
                        self.scopes.close_all(keep_run=True)
                    else:
                        yield part
                finally:
                    self.scopes.close_all(keep_run=True)
            if parts:  # or unittest would think that its fixtures are set up
                unittest_internals.forget_previous_class(result)

    def fail_running(self, result: Any, error: BaseException, frame: FrameType | None) -> None:
        """Fail the test or fixture that runs in a stack with an error, and end it.

        It catches every exception, so nothing else can end it.
        """
        test = unittest_internals.test_in(frame)
        if test is None:
            test = unittest_internals.error_holder(await_chains.of_frame(frame)[0].place)
        error.add_note(_STUCK)
        result.addError(test, (type(error), error, tracebacks.of_stack(frame)))
        result.stopTest(test)
        self._entries += self.check_results.take()

    def begin_unit(self, repetition: int | None) -> None:
        """Prepare the loops of a unit, in a worker."""
        if repetition is not None:
            self.scopes.begin_repetition(repetition)

    def end_unit(self) -> None:
        """Close what was opened for a unit, in a worker."""
        self.scopes.close_all()

    def attach(self, test: TestCase) -> None:
        """Prepare a test case to run its coroutines, in a worker."""
        self.adapter.attach(test)

    def detach(self) -> None:
        """End the time of the test case, in a worker."""
        self.adapter.detach()

    def begin_work(self) -> None:
        """Forget the findings of the main process: a forked worker has a copy of them."""
        self.workers = self.interrupts.interrupt = None
        self._slow.stop()
        self.take()

    def end_work(self) -> None:
        """Decide on the problems of the last test, in a worker."""
        self.adapter.close()
        self.notes.add(*process_end.abandoned_jobs())

    def watch_exit(self, terminal: int) -> None:
        """Let nothing hold up the end of this process, a worker, from now on."""
        process_end.watch(self.settings.exit_grace, 0, terminal)

    def on_stop(self, stop: Callable[[], Any]) -> None:
        """Call ``stop`` when Ctrl-C has come, in a worker."""
        self.interrupts.stop = stop

    def on_deadline(self, note: Callable[[float], None]) -> None:
        """Call ``note`` when the time changes after which this worker counts as stuck."""
        late = 2 * self.settings.grace + _PATIENCE
        self.time_limits.on_change = lambda when: note(when + late)

    def limit_of(self, test: TestCase | None) -> str:
        """Return the limit in real time of a test, in words; of a fixture, for None."""
        return limits.in_words(test, self.settings)

    def interrupting(self, interrupt: Callable[[int], None]) -> AbstractContextManager[None]:
        """Call ``interrupt`` with the number of the signal for Ctrl-C and SIGTERM in the block."""
        return interrupts.interrupting(self.interrupts, interrupt)

    def note(self, line: str) -> None:
        """Add a line for the end of the run."""
        self.notes.add(line)

    @contextmanager
    def signals(self, terminal: int) -> Iterator[None]:
        """Handle signals inside the block, in a worker; ``terminal`` is a file descriptor."""
        self._slow.descriptor = terminal
        with (
            event_loops.recycling(),
            interrupts.print_on_sigquit(self.describe_running, terminal),
            interrupts.treat_sigterm_as_ctrl_c(self.interrupts),
            interrupts.call_around_suspension(lambda: None, self.time_limits.postpone),
        ):
            yield

    def _explain(self, interrupt: BaseException) -> BaseException:
        self.is_cut = True
        return self.interrupts.error_to_raise(interrupt)

    def _suspend(self) -> None:
        if self.workers is not None:
            self.workers.suspend()

    def _resume(self, seconds: float) -> None:
        self.time_limits.postpone(seconds)
        if self.workers is not None:
            self.workers.resume()

    def _judge(self, level: ScopeLevel, owner: object, problems: Problems) -> AioError | None:
        """Return the error for problems of a scope wider than a test, or of one of its fixtures."""
        if not vars(problems):
            return None
        name = f"{owner.__module__}.{owner.__qualname__}" if isinstance(owner, type) else owner
        what = f"{level.name.lower()} {name or ''}".strip()
        modes = tag_lookup.read_checks(None, owner if isinstance(owner, type) else object)
        can_fail = level in (ScopeLevel.MODULE, ScopeLevel.CLASS)
        return self.check_results.error_for(
            str(name or "the run"), problems, modes, what=what, can_fail=can_fail
        )

    def merge(self, found: Found) -> None:
        """Add the findings of another process."""
        self._entries += found.entries
        self.timings.add(found.timings)
        self.notes.add(*found.notes)
        self.durations.add_fixtures(found.fixtures)
        self.check_results.baseline.found |= found.known

    def take(self) -> Found | None:
        """Return the findings of this process, and forget them; None if there are none."""
        entries = [*self._entries, *self.check_results.take()]
        known, fixtures = self.check_results.baseline.take(), self.durations.take_fixtures()
        if not (entries or known or fixtures or self.notes or self.timings.has_any):
            return None
        self._entries = []
        return Found(entries, self.timings.take(), self.notes.take(), fixtures, known)

    def report(self) -> list[str]:
        """Return lines on findings that have failed no test, and on the slowest tests."""
        return [
            *self._report_file.write(self.timings, self.failures),
            *self.check_results.report(self._entries, self._told),
            *self.check_results.baseline.report(self.part, self.planned),
            *self.timings.report(),
            *self.durations.write(self.timings.waiting),
            *self._pass_counts.lines(),
        ]

    def details(self, event: Any) -> list[str]:
        """Return what to add to the report of a failure, given nose2's event for it."""
        failure = self.failures.reported_by(event)
        if failure is None:
            return []
        self._told.add(failure.test.id())
        return self.found_in(failure)

    def found_in(self, failure: Failure) -> list[str]:
        """Return lines on a failed test: if it is flaky, and what the checks have found in it."""
        name, error = failure.test.id(), failure.events[0].exc_info[1]
        found = [one for one in self._entries if one.name == name and not one.has_passed]
        flaky = [f"{failure.flaky}\n"] if failure.flaky else []
        return flaky + (self.check_results.details(found, error) if found else [])

    def final_notes(self, ran: int) -> list[str]:
        """Return the lines for the end of the run; ``ran`` is the number of tests that ran."""
        if not (self.interrupts.count or self.is_cut):
            return self.notes.lines
        left = self.planned - ran
        tests = f": {left} test{'s' * (left != 1)} did not run" if left > 0 else ""
        return [*self.notes.lines, f"the run was interrupted by {self.interrupts.cause}{tests}"]

    def describe_running(self, frame: FrameType | None) -> str:
        """Describe what is running, while the main thread runs ``frame``."""
        if self.workers is not None and self.workers.is_running:
            return self.workers.describe_running()
        running, head = self.adapter.running(), "between two tests"
        if running is not None:
            phase = self.fixtures.phases.current
            where = "" if phase is None else f", in {phase}"
            head = f"{running.name} runs for {monotonic() - running.began:.2f} s{where}"
        return f"\n{head}\n\n{hang_report.describe_loop(event_loops.running(), stack=frame)}\n"
