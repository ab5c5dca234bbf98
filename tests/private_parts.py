"""The private parts of others that the package uses, and why. The tests hold both tables.

`PRIVATE_NAMES` has every name with one leading underscore that belongs to somebody else. A test
finds all of them in the syntax trees of our modules, so a new use needs a row here.

`BEHAVIOURS` has what no name shows: a local variable in a frame of asyncio, say. Each row names
the test that fails when a new Python or nose2 changes it.

All rows were checked on Python 3.11, 3.12, 3.13, 3.14 and 3.15, and nose2 0.16.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BEHAVIOURS", "DOCUMENTED", "OWN", "PRIVATE_NAMES", "Behaviour", "PrivateName"]


class PrivateName(NamedTuple):
    """A private name of somebody else, and the module of ours that uses it."""

    name: str
    """A ``*`` stands for any text: the name is put together when it is used."""
    module: str
    """The module that uses it, below ``nose2_aio``."""
    owner: str
    """The module, class or function that has it."""
    reason: str
    pythons: str = "3.11-3.15"
    """The Pythons that must have it. Later ones must have it too, if this ends with 3.15."""


class Behaviour(NamedTuple):
    """A detail of somebody else's code that has no private name of its own."""

    detail: str
    module: str
    """The module that relies on it, below ``nose2_aio``."""
    reason: str
    test: str
    """The test that fails without it."""


_AWAITS = "It shows what a suspended task waits for."
_CALLS = "unittest calls each test and fixture through it, so we see what these return."
_CLEANUPS = "We call cleanups one by one, to see what each returns."
_IDLE = "It shows whether a thread of a thread pool waits for its next job."
_LOST = "Asking for the exception in the public way would mark it as retrieved."
_RECYCLED = "A new loop takes over the open files of a closed one, without a system call."
_NOSE2 = "It tells which of nose2's methods drops what the user's function returns."
_SUCH = "A test of nose2's such, and its fixtures, are told by the qualified names of these."
_DESTROYED = "A task that we abandon on a closed loop would print an error."
_CURRENT = "Up to Python 3.13, asking for the current loop creates one. This attribute doesn't."

PRIVATE_NAMES = (
    PrivateName(
        "_signal",
        "eventloop.wakeup_sources",
        "signal",
        "It is asked for each jump of virtual time. The public function makes an enum of it first.",
    ),
    PrivateName(
        "_selector",
        "eventloop.selector",
        "selectors.EpollSelector",
        "To poll takes a third of the time of ``select``, which looks at its arguments first.",
    ),
    PrivateName(
        "_scheduled",
        "eventloop.event_loops",
        "asyncio.BaseEventLoop",
        "If it is empty, no timer is about to run.",
    ),
    PrivateName(
        "_selector",
        "eventloop.event_loops",
        "asyncio.SelectorEventLoop",
        "It tells whether a loop waits for a file.",
    ),
    PrivateName(
        "_callbacks",
        "running.host",
        "asyncio.Future",
        "If something waits for the end of the task, the loop has to go round once more.",
    ),
    PrivateName(
        "_scheduled_tasks",
        "eventloop.event_loops",
        "asyncio.tasks",
        "asyncio.all_tasks takes ten times as long to say that there is no task.",
        "3.12-3.13",
    ),
    PrivateName(
        "_all_tasks",
        "eventloop.event_loops",
        "asyncio.tasks",
        "It is _scheduled_tasks, before Python 3.12.",
        "3.11-3.11",
    ),
    PrivateName(
        "_eager_tasks",
        "eventloop.event_loops",
        "asyncio.tasks",
        "_scheduled_tasks does not have those.",
        "3.12-3.13",
    ),
    PrivateName(
        "_ready",
        "eventloop.event_loops",
        "asyncio.BaseEventLoop",
        "If it is empty, the loop need not go round once more: that takes 5 µs a test.",
    ),
    PrivateName(
        "_CapturingHandler",
        "eventloop.state",
        "unittest._log",
        "A test that captures asyncio's log expects the errors in it.",
    ),
    PrivateName(
        "_ErrorHolder",
        "cases.unittest_internals",
        "unittest.suite",
        "unittest reports errors of class and module fixtures with it.",
    ),
    PrivateName(
        "_ErrorHolder",
        "workers.crashes",
        "unittest.suite",
        "The error of a dead worker is reported as that of a fixture.",
    ),
    PrivateName(
        "_GeneratorMethodCase",
        "cases.nose2_cases",
        "nose2.plugins.loader.generators.GeneratorMethodCase",
        _NOSE2,
    ),
    PrivateName(
        "_MethodTestCase",
        "cases.nose2_cases",
        "nose2.plugins.loader.testclasses.MethodTestCase",
        _NOSE2,
    ),
    PrivateName(
        "_SubTest",
        "cases.unittest_internals",
        "unittest.case",
        "The main process creates the subtests that a worker reports.",
    ),
    PrivateName(
        "_aexit",
        "introspection.waits",
        "asyncio.TaskGroup",
        "A task group waits for its tasks in this function.",
        "3.14-3.15",
    ),
    PrivateName("_args", "eventloop.executors", "threading.Thread", _IDLE),
    PrivateName(
        "_asyncgen_finalizer_hook",
        "eventloop.instrumented",
        "asyncio.BaseEventLoop",
        "A loop's subclass overrides it to note that an async generator is closed in a task.",
    ),
    PrivateName(
        "_asyncgen_firstiter_hook",
        "eventloop.instrumented",
        "asyncio.BaseEventLoop",
        "A loop's subclass overrides it to note the async generators that begin.",
    ),
    PrivateName(
        "_asyncioRunner",
        "cases.unittest_internals",
        "unittest.IsolatedAsyncioTestCase",
        "It has the loop that the test is about to run on.",
    ),
    PrivateName("_callCleanup", "cases.unittest_internals", "unittest.TestCase", _CALLS),
    PrivateName("_callSetUp", "cases.unittest_internals", "unittest.TestCase", _CALLS),
    PrivateName("_callTearDown", "cases.unittest_internals", "unittest.TestCase", _CALLS),
    PrivateName("_callTestMethod", "cases.unittest_internals", "unittest.TestCase", _CALLS),
    PrivateName(
        "_callback",
        "reporting.inspections",
        "asyncio.Handle",
        "It is the function that a timer or a failed callback calls.",
    ),
    PrivateName(
        "_callback",
        "introspection.locations",
        "asyncio.Handle",
        "It is the function that a timer or a failed callback calls.",
    ),
    PrivateName("_done_callbacks", "introspection.waits", "concurrent.futures.Future", _AWAITS),
    PrivateName(
        "_drain_helper", "introspection.waits", "asyncio.streams.FlowControlMixin", _AWAITS
    ),
    PrivateName(
        "_on_timeout",
        "reporting.expired_timeouts",
        "asyncio.Timeout",
        "What its tasks wait for is noted when a timeout expires.",
    ),
    PrivateName("_outer_done_callback", "introspection.waits", "asyncio.shield", _AWAITS),
    PrivateName(
        "_proc",
        "introspection.waits",
        "asyncio.base_subprocess.BaseSubprocessTransport",
        "It knows the program of a child process that a task waits for.",
    ),
    PrivateName(
        "_signal",
        "running.interrupts",
        "signal",
        "Each step of IsolatedAsyncioTestCase sets a handler, which takes long in Python.",
    ),
    PrivateName(
        "_task",
        "reporting.loop_tasks",
        "asyncio.StreamReaderProtocol",
        "It is the task that serves a connection, which another task waits for.",
    ),
    PrivateName(
        "_task",
        "reporting.expired_timeouts",
        "asyncio.Timeout",
        "It is the task that has entered a timeout.",
    ),
    PrivateName(
        "_transport",
        "reporting.loop_tasks",
        "asyncio.StreamReader",
        "It knows both ends of a connection.",
    ),
    PrivateName(
        "_transports",
        "reporting.loop_tasks",
        "asyncio.SelectorEventLoop",
        "It has the other end of a connection, if that is on the same loop.",
    ),
    PrivateName("_unfinished_tasks", "introspection.waits", "asyncio.Queue", _AWAITS),
    PrivateName("_callbacks", "introspection.waits", "asyncio.Future", _AWAITS),
    PrivateName("_chain_future", "introspection.waits", "asyncio.futures", _AWAITS),
    PrivateName("_children", "introspection.waits", "asyncio.tasks._GatheringFuture", _AWAITS),
    PrivateName("_class_cleanups", "cases.unittest_internals", "unittest.TestCase", _CLEANUPS),
    PrivateName(
        "_cleanups",
        "cases.unittest_internals",
        "unittest.TestCase",
        "It shows whether cleanups are left.",
    ),
    PrivateName(
        "_clear",
        "workers.worker_process",
        "atexit",
        "A forked worker must not call what the main process registered.",
        "3.11-3.12",
    ),
    PrivateName(
        "_clock_resolution",
        "eventloop.virtual_clock",
        "asyncio.BaseEventLoop",
        "Late in virtual time, floats are so coarse that asyncio would find no timer due.",
    ),
    PrivateName(
        "_context",
        "eventloop.state",
        "asyncio.Handle",
        "It shows which test set a callback. The public get_context is new in Python 3.12.",
    ),
    PrivateName(
        "_debug",
        "cases.asyncio_runner",
        "asyncio.Runner",
        "IsolatedAsyncioTestCase sets it, so that its loops are in debug mode.",
    ),
    PrivateName(
        "_default_executor",
        "eventloop.instrumented",
        "asyncio.BaseEventLoop",
        "It shows whether the user has set an executor.",
    ),
    PrivateName(
        "_enter_context",
        "cases.unittest_internals",
        "unittest.case",
        "A context that is entered while the loop runs is left while it runs.",
    ),
    PrivateName(
        "_event_loop_policy",
        "eventloop.event_loops",
        "asyncio.events",
        "The public function warns since Python 3.14. Where it is gone, there are no policies.",
    ),
    PrivateName("_exception", "eventloop.state", "asyncio.Future", _LOST),
    PrivateName(
        "_execute_mock_call",
        "reporting.unawaited",
        "unittest.mock.AsyncMock",
        "Its code shows that a coroutine is the call of an AsyncMock.",
    ),
    PrivateName(
        "_funcName",
        "cases.nose2_cases",
        "nose2.util.test_name",
        "Workers load a test function by this name.",
    ),
    PrivateName(
        "_fut_waiter",
        "eventloop.host_task",
        "asyncio.Task",
        "anyio asks for it before it cancels a task. A host that is idle can always be cancelled.",
    ),
    PrivateName("_fut_waiter", "introspection.waits", "asyncio.Task", _AWAITS),
    PrivateName("_BaseSelectorImpl", "eventloop.event_loops", "selectors", _RECYCLED),
    PrivateName(
        "_close_self_pipe", "eventloop.event_loops", "asyncio.SelectorEventLoop", _RECYCLED
    ),
    PrivateName("_csock", "eventloop.event_loops", "asyncio.SelectorEventLoop", _RECYCLED),
    PrivateName("_fd_to_key", "eventloop.event_loops", "selectors.DefaultSelector", _RECYCLED),
    PrivateName("_internal_fds", "eventloop.event_loops", "asyncio.SelectorEventLoop", _RECYCLED),
    PrivateName("_make_self_pipe", "eventloop.event_loops", "asyncio.SelectorEventLoop", _RECYCLED),
    PrivateName("_read_from_self", "eventloop.event_loops", "asyncio.SelectorEventLoop", _RECYCLED),
    PrivateName("_ssock", "eventloop.event_loops", "asyncio.SelectorEventLoop", _RECYCLED),
    PrivateName(
        "_get_running_loop",
        "eventloop.event_loops",
        "asyncio",
        "The public function raises where no loop runs, and that takes ten times as long.",
    ),
    PrivateName(
        "_get_filters",
        "reporting.unawaited",
        "warnings",
        "The warning filters may live in a context variable since Python 3.14.",
        "3.14-3.15",
    ),
    PrivateName(
        "_idle_semaphore", "eventloop.executors", "concurrent.futures.ThreadPoolExecutor", _IDLE
    ),
    PrivateName(
        "_increment_mock_call",
        "reporting.unawaited",
        "unittest.mock.CallableMixin",
        "Each mock calls it with its arguments. Nothing else shows that it has got a coroutine.",
    ),
    PrivateName(
        "_local",
        "eventloop.event_loops",
        "asyncio.events.BaseDefaultEventLoopPolicy",
        _CURRENT,
        "3.11-3.13",
    ),
    PrivateName(
        "_log",
        "eventloop.state",
        "unittest",
        "A log handler from this module shows that a test uses assertLogs.",
    ),
    PrivateName("_log_destroy_pending", "running.host", "asyncio.Task", _DESTROYED),
    PrivateName("_log_destroy_pending", "running.shutdown", "asyncio.Task", _DESTROYED),
    PrivateName("_log_traceback", "eventloop.host_task", "asyncio.Future", _LOST),
    PrivateName("_log_traceback", "reporting.inspections", "asyncio.Future", _LOST),
    PrivateName(
        "_loop",
        "eventloop.event_loops",
        "asyncio.events.BaseDefaultEventLoopPolicy._Local",
        _CURRENT,
        "3.11-3.13",
    ),
    PrivateName(
        "_loop_factory",
        "cases.asyncio_runner",
        "asyncio.Runner",
        "A runner without one gets one that makes an instrumented loop.",
    ),
    PrivateName("_makeLayer", "cases.nose2_cases", "nose2.tools.such.Scenario", _SUCH),
    PrivateName("_makeTestCase", "cases.nose2_cases", "nose2.tools.such.Scenario", _SUCH),
    PrivateName(
        "_make_test_func",
        "cases.nose2_cases",
        "nose2.tools.such.Scenario._makeTestCase",
        _SUCH,
    ),
    PrivateName(
        "_message",
        "cases.unittest_internals",
        "unittest.case._SubTest",
        "A worker sends it to the main process.",
    ),
    PrivateName(
        "_moduleSetUpFailed",
        "cases.unittest_internals",
        "unittest.TestResult",
        "unittest calls class cleanups only where the module's fixtures have not failed.",
    ),
    PrivateName("_module_cleanups", "cases.unittest_internals", "unittest.case", _CLEANUPS),
    PrivateName(
        "_on_sigint",
        "eventloop.wakeup_sources",
        "asyncio.Runner",
        "asyncio's own SIGINT handler wakes no test.",
    ),
    PrivateName(
        "_outcome",
        "cases.unittest_internals",
        "unittest.TestCase",
        "A report of a hang in tearDown says whether the test itself had passed.",
    ),
    PrivateName(
        "_pid",
        "eventloop.wakeup_sources",
        "multiprocessing.resource_tracker.ResourceTracker",
        "This child process of multiprocessing wakes no test.",
    ),
    PrivateName(
        "_previousTestClass",
        "cases.unittest_internals",
        "unittest.TestResult",
        "Between units, unittest must take the fixtures of no class for set up.",
    ),
    PrivateName(
        "_register_task",
        "eventloop.host_task",
        "asyncio",
        "asyncio documents it for authors of tasks. all_tasks() has the host task again.",
    ),
    PrivateName(
        "_resource_tracker",
        "eventloop.wakeup_sources",
        "multiprocessing.resource_tracker",
        "This child process of multiprocessing wakes no test.",
    ),
    PrivateName(
        "_run",
        "introspection.locations",
        "asyncio.Handle",
        "In a stack, the loop's callbacks begin below this function.",
    ),
    PrivateName(
        "_run",
        "running.time_limits",
        "asyncio.Handle",
        "In a stack, the loop's callbacks begin below this function.",
    ),
    PrivateName(
        "_register_atexit",
        "running.process_end",
        "threading",
        "Python calls it at the end of the process, before it waits for threads.",
    ),
    PrivateName(
        "_run_exitfuncs",
        "running.process_end",
        "atexit",
        "A process that a thread holds up must still call what is registered.",
    ),
    PrivateName(
        "_run_exitfuncs",
        "workers.worker_process",
        "atexit",
        "A forked worker must call what its tests registered.",
        "3.11-3.12",
    ),
    PrivateName(
        "_ready",
        "running.host",
        "asyncio.BaseEventLoop",
        "If it is empty, the loop need not go round once more: that takes 5 µs a test.",
    ),
    PrivateName(
        "_scheduled",
        "eventloop.instrumented",
        "asyncio.BaseEventLoop",
        "A timer at infinity is taken out of it: the loop would wait for it a day.",
    ),
    PrivateName(
        "_scheduled",
        "eventloop.virtual_clock",
        "asyncio.BaseEventLoop",
        "It has the exact time of the next timer. The selector's timeout is a rounded one.",
    ),
    PrivateName(
        "_selector",
        "eventloop.instrumented",
        "asyncio.SelectorEventLoop",
        "Our selector replaces that of a loop that somebody else created.",
    ),
    PrivateName(
        "_set_called",
        "eventloop.event_loops",
        "asyncio.events.BaseDefaultEventLoopPolicy._Local",
        _CURRENT,
        "3.11-3.13",
    ),
    PrivateName(
        "_setupAsyncioRunner",
        "cases.unittest_internals",
        "unittest.IsolatedAsyncioTestCase",
        "Before Python 3.13 there is no other way to choose the test's loop.",
    ),
    PrivateName(
        "_source_traceback",
        "eventloop.instrumented",
        "asyncio.Future",
        "In debug mode, our frame must not be shown as the place of creation.",
    ),
    PrivateName(
        "_subtest_msg_sentinel",
        "cases.unittest_internals",
        "unittest.case",
        "It is the message of a subtest that has none.",
    ),
    PrivateName("_tasks", "introspection.waits", "asyncio.TaskGroup", _AWAITS),
    PrivateName(
        "_tearDownAsyncioRunner",
        "cases.unittest_internals",
        "unittest.IsolatedAsyncioTestCase",
        "We look for leaks, and guard against hangs, where the runner is closed.",
    ),
    PrivateName("_test", "cases.nose2_cases", "nose2.tools.such.Scenario._makeTestCase", _SUCH),
    PrivateName(
        "_testFunc", "cases.nose2_cases", "unittest.FunctionTestCase", "It is the user's function."
    ),
    PrivateName(
        "_*Func",
        "cases.nose2_cases",
        "unittest.FunctionTestCase",
        "These are the user's setUp and tearDown functions.",
    ),
    PrivateName(
        "_testMethodName",
        "cases.unittest_internals",
        "unittest.TestCase",
        "It is the name of the test, before setUp.",
    ),
    PrivateName(
        "_tests",
        "cases.unittest_internals",
        "unittest.TestSuite",
        "A copy of a suite gets other tests.",
    ),
    PrivateName("_threads", "eventloop.executors", "concurrent.futures.ThreadPoolExecutor", _IDLE),
    PrivateName(
        "_transport",
        "introspection.waits",
        "asyncio.StreamReader",
        "It knows the peer that a stream waits for.",
    ),
    PrivateName(
        "_unregister_task",
        "eventloop.host_task",
        "asyncio",
        "asyncio documents it for authors of tasks. all_tasks() must not have the host task.",
    ),
    PrivateName("_value", "eventloop.executors", "threading.Semaphore", _IDLE),
    PrivateName("_wait", "introspection.waits", "asyncio.tasks", _AWAITS),
    PrivateName("_wait_for_data", "introspection.waits", "asyncio.StreamReader", _AWAITS),
    PrivateName(
        "_waiters",
        "eventloop.wakeup_sources",
        "threading.Condition",
        "It shows whether a thread waits for another thread.",
    ),
    PrivateName(
        "_warn_unawaited_coroutine",
        "reporting.unawaited",
        "warnings",
        "Python calls it with the dropped coroutine. The public way gives a text, once a line.",
    ),
    PrivateName(
        "_work_queue", "eventloop.executors", "concurrent.futures.ThreadPoolExecutor", _IDLE
    ),
    PrivateName("_worker", "eventloop.executors", "concurrent.futures.thread", _IDLE),
)

_CHAINS = "tests.unit.introspection.test_await_chains.Chains"
_WAKERS = "tests.unit.eventloop.test_wakeup_sources.WakeupSources"
_LOCALS = "tests.unit.test_private_parts.Behaviours"

BEHAVIOURS = (
    Behaviour(
        "the local delay of asyncio.timeout, and the local self of Timeout.__aexit__",
        "reporting.expired_timeouts",
        "They have the seconds of a timeout, and the timeout that a TimeoutError comes from.",
        "tests.functional.test_expired_timeouts.Expired.test_each",
    ),
    Behaviour(
        "the locals h and loop of asyncio.sleep",
        "introspection.waits",
        "They have the time when a sleep ends.",
        f"{_LOCALS}.test_sleep",
    ),
    Behaviour(
        "the local fs of asyncio.tasks._wait",
        "introspection.waits",
        "It has the tasks that asyncio.wait waits for.",
        f"{_LOCALS}.test_wait",
    ),
    Behaviour(
        "the local fut of asyncio.wait_for, in Python 3.11",
        "introspection.waits",
        "It is the task that wait_for waits for. Later Pythons run it in the same task.",
        f"{_LOCALS}.test_wait_for",
    ),
    Behaviour(
        "the local self of TaskGroup.__aexit__, or _aexit",
        "introspection.waits",
        "It is the task group.",
        f"{_LOCALS}.test_task_group",
    ),
    Behaviour(
        "the local sock of sock_recv, sock_accept, sock_connect and sock_sendall",
        "introspection.waits",
        "It is the socket that a task waits for.",
        f"{_LOCALS}.test_sockets",
    ),
    Behaviour(
        "gc.get_referents leads from a step of an async generator to the generator",
        "introspection.await_chains",
        "Nothing public does.",
        f"{_CHAINS}.test_chain",
    ),
    Behaviour(
        "asyncio's callbacks of a job's future are functions inside of _chain_future",
        "introspection.waits",
        "It tells a job of an executor from a future that nobody completes.",
        f"{_LOCALS}.test_job",
    ),
    Behaviour(
        "the locals timeout, waiter and self of threading.Condition.wait",
        "eventloop.wakeup_sources",
        "They show whether a thread waits for another, and for how long.",
        f"{_WAKERS}.test_idle",
    ),
    Behaviour(
        "asyncio.wrap_future creates its future by loop.create_future",
        "eventloop.instrumented",
        "In virtual time, the clock waits for jobs of any thread pool.",
        f"{_LOCALS}.test_wrap_future",
    ),
    Behaviour(
        "a task group and a timeout cancel a task in a callback that has the reason as an argument",
        "eventloop.host_task",
        "The report names the reason of a cancellation.",
        "tests.functional.test_setup_covers.Bounded.test_timeout",
    ),
    Behaviour(
        "asyncio.to_thread hands a functools.partial of Context.run to the executor",
        "eventloop.executors",
        "A report names the user's function.",
        f"{_LOCALS}.test_to_thread",
    ),
    Behaviour(
        "the local self of AsyncMock._execute_mock_call",
        "reporting.unawaited",
        "The report names the mock that nobody awaited.",
        "tests.functional.test_checks",
    ),
    Behaviour(
        "the locals self and cfg_args of nose2's PluggableTestProgram.parseArgs",
        "config.config_files",
        "A path in a configuration file is relative to that file. nose2 forgets its name.",
        "tests.functional.test_paths",
    ),
    Behaviour(
        "nose2's parser calls its error with 'Unrecognized arguments'",
        "config.switches",
        "The error for a mistyped switch names the nearest one.",
        "tests.functional.test_mistakes.Settings.test_switch",
    ),
    Behaviour(
        "asyncio logs 'Using selector' when it creates a loop",
        "eventloop.event_loops",
        "The captured log of each test would begin with it.",
        "tests.functional.test_selection.Selection.test_buffer_and_logs",
    ),
    Behaviour(
        "UNHELPFUL_LOCATIONS of hypothesis.internal.scrutineer",
        "running.hypothesis_examples",
        "Hypothesis's explanation of a failure lists no lines of ours.",
        "tests.functional.test_scopes.Hypothesis.test_examples",
    ),
    Behaviour(
        "nose2.result and nose2.plugins.junitxml ask the module time, by that name",
        "workers.replay",
        "They get the recorded time.",
        f"{_LOCALS}.test_time",
    ),
    Behaviour(
        "the qualified names of nose2's test methods and fixtures, and the names in their closures",
        "cases.nose2_cases",
        "They tell which methods drop what the user's functions return, and have these functions.",
        "tests.functional.test_fixtures",
    ),
)

DOCUMENTED = {"_current_frames", "_exit", "_getframe", "_replace"}
"""Names that Python documents: of `sys`, `os` and named tuples."""

OWN = {("_pydevd_bundle", "introspection.debuggers")}
"""Texts that only look like a private name: the package of a debugger."""
