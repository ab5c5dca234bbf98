"""nose2_aio.introspection.monitoring, and the functions that it calls

Nothing is traced while Python calls such a function, also not by coverage. So it is called here.
"""

from __future__ import annotations

import asyncio
import os
import sys
import unittest
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

import nose2_aio
from nose2_aio.cases import phases
from nose2_aio.introspection import holders, monitoring, swallowing

HAS_MONITORING = sys.version_info >= (3, 12)


def frame_of(method: Any, **variables: object) -> Any:
    """Return what stands for the frame of a method that the caller of this calls."""
    code = getattr(method, "__code__")  # noqa: B009 -- of a bound method
    back = sys._getframe(1)
    return SimpleNamespace(f_code=code, f_locals=variables, f_back=back, f_lasti=0)


def called_through(*filenames: str) -> list[str]:
    """Return the callers of a function, called by code of these files, outermost first."""
    call = lambda: [code.co_filename for code, _ in monitoring.callers(sys._getframe(1), 3)]
    for name in reversed(filenames):
        code = compile("def f(): return call()", name, "exec")
        exec(code, found := {"call": call})
        call = found["f"]
    return call()


class Monitoring(TestCase):
    """When functions are monitored."""

    def function(self) -> None:
        """Call a handler."""

    def other(self) -> None:
        """Call a handler that is added while it is on."""

    def test_on(self) -> None:
        """It is on inside the block, unless another tool has the identifier, or Python has none."""
        calls: list[str] = []
        code = self.function.__func__.__code__  # type: ignore[attr-defined]
        note = lambda kind: lambda frame, _: calls.append(f"{kind} {frame.f_code.co_name}")
        with (
            mock.patch.multiple(monitoring, _TOOL=3, _NAME="inner"),
            mock.patch.dict(monitoring._codes),
            mock.patch.dict(monitoring._starts),
            mock.patch.dict(monitoring._returns),
        ):
            monitoring.at_start(code, note("start"))
            monitoring.at_return(code, note("return"))
            self.assertFalse(monitoring.is_on())
            self.function()
            with monitoring.on():
                self.assertEqual(monitoring.is_on(), HAS_MONITORING)
                self.function()
                monitoring.at_return(self.other.__func__.__code__, note("return"))  # type: ignore[attr-defined]
                self.other()
                with monitoring.on():  # it is on already
                    self.function()
                with mock.patch.object(monitoring, "_NAME", "other"), monitoring.on():
                    self.assertFalse(monitoring.is_on())
                    self.function()
            self.function()
            self.assertFalse(monitoring.is_on())
            with monitoring.on():
                if HAS_MONITORING:  # a test may free what isn't its own
                    sys.monitoring.free_tool_id(3)
        with mock.patch.object(monitoring, "_API", None), monitoring.on():
            self.assertFalse(monitoring.is_on())
        expected = ["start function", "return function", "return other"]
        expected += ["start function", "return function"] * 2
        self.assertEqual(calls, expected if HAS_MONITORING else [])

    def test_handlers(self) -> None:
        """Handlers that an exception reaches are noted while it is on."""
        found: list[Any] = []
        with (
            mock.patch.multiple(monitoring, _TOOL=3, _NAME="inner"),
            mock.patch.dict(monitoring._callbacks),
        ):
            monitoring.at_handler(lambda *noted: found.append(noted))
            with monitoring.on():
                self.raises()
            self.raises()
        names = [(code.co_name, repr(error)) for code, _, error in found]
        self.assertEqual(names.count(("raises", "ValueError(1)")), int(HAS_MONITORING))

    def raises(self) -> None:
        """Catch an exception."""
        try:
            raise ValueError(1)
        except ValueError:
            pass

    def test_calls(self) -> None:
        """A handler gets the frame of its function, and the value."""
        calls: list[Any] = []
        note = lambda frame, value: calls.append((frame, value))
        code = self.test_calls.__func__.__code__  # type: ignore[attr-defined]
        monitoring.at_return(None, note)
        monitoring.at_start(None, note)
        with (
            mock.patch.object(monitoring, "_API", None),  # or this test's code would be monitored
            mock.patch.dict(monitoring._codes),
            mock.patch.dict(monitoring._returns),
            mock.patch.dict(monitoring._starts),
        ):
            monitoring.at_return(code, note)
            monitoring.at_start(code, note)
            monitoring.at_return(code, lambda *_: self.fail(), is_first=True)
            monitoring._note_return(code, 0, 7)
            monitoring._note_start(code, 0)
        self.assertEqual(calls, [(sys._getframe(), 7), (sys._getframe(), None)])

    def test_callers(self) -> None:
        """The user's functions are looked for through asyncio, libraries and our own functions."""
        theirs = os.path.join(os.path.dirname(os.__file__), "some.py")  # noqa: PTH118, PTH120
        asyncios = os.path.join(monitoring.ASYNCIO, "locks.py")  # noqa: PTH118
        ours, here, runner = nose2_aio.__file__, __file__, unittest.case.__file__
        for filenames, expected in (
            ((asyncios,), [here, here]),
            ((asyncios, asyncios), [here, here]),
            ((theirs, asyncios), [here, here]),
            ((ours, asyncios), [here, here]),
            ((ours, theirs, asyncios), [theirs]),
            ((ours, theirs, theirs, asyncios), [theirs]),
            ((ours, "a.py", theirs, "b.py", asyncios), ["b.py", "a.py"]),
            ((runner, "a.py", "b.py", asyncios), ["b.py", "a.py"]),
            (("a.py", runner, asyncios), ["a.py", here, here]),
            (("a.py", runner, ours, asyncios), [asyncios]),
            (("a.py", "b.py", "c.py", "d.py", asyncios), ["d.py", "c.py", "b.py"]),
            (("a.py", *[theirs] * 99), [theirs]),
        ):
            with self.subTest(filenames), mock.patch.dict(monitoring._kinds, clear=True):
                self.assertEqual(called_through(*filenames), expected)
        alone = SimpleNamespace(f_back=None, f_code=1, f_lasti=2)
        self.assertEqual(monitoring.callers(alone, 3), ((1, 2),))  # type: ignore[arg-type]

    def test_callback(self) -> None:
        """They end where the event loop calls the user's code."""
        found: list[Any] = []
        call = lambda: found.extend(monitoring.callers(sys._getframe(), 3))
        loop = asyncio.new_event_loop()
        loop.call_soon(lambda: call())
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        self.assertEqual(len(found), 1)

    def test_no_loop(self) -> None:
        """Outside of a loop there is no task."""
        self.assertIsNone(monitoring.current_task())


class Handlers(TestCase):
    """What is noted when a function of asyncio or unittest returns."""

    async def test_holders(self) -> None:
        """Who has acquired and released, put and taken is noted."""
        lock, semaphore, queue = asyncio.Lock(), asyncio.Semaphore(), asyncio.Queue[int]()
        for thing, method, count in (
            (lock, lock.acquire, 0),
            (lock, lock.acquire, 0),
            (semaphore, semaphore.acquire, 1),
            (semaphore, semaphore.release, 0),
            (semaphore, semaphore.release, 0),
            (queue, queue.put_nowait, 0),
            (queue, queue.get_nowait, 1),
            (queue, queue.get_nowait, 2),
            (queue, queue.task_done, 1),
        ):
            frame = frame_of(method, self=thing)
            monitoring._returns[id(frame.f_code)](frame, None)
            uses = holders._noted[id(thing)]
            self.assertEqual(len(uses.held), count)
            if method.__name__ not in ("release", "task_done"):
                self.assertEqual(uses.last[method.__name__][1][0][0].co_name, "test_holders")

    async def test_given_back(self) -> None:
        """Who gives back what others have taken gives back what was taken first."""
        semaphore = asyncio.Semaphore(2)
        acquire, release = (
            frame_of(one, self=semaphore) for one in (semaphore.acquire, semaphore.release)
        )
        for task in (None, asyncio.current_task(), None):
            with mock.patch.object(monitoring, "current_task", return_value=task):
                monitoring._returns[id(acquire.f_code)](acquire, None)
        held = holders._noted[id(semaphore)].held
        monitoring._returns[id(release.f_code)](release, None)
        self.assertEqual([user for user, _ in held], [None, None])
        monitoring._returns[id(release.f_code)](release, None)
        self.assertEqual(len(held), 1)

    def test_holders_outside(self) -> None:
        """It may be outside of a task. The note ends with the object."""
        lock = asyncio.Lock()
        frame = frame_of(lock.acquire, self=lock)
        monitoring._returns[id(frame.f_code)](frame, None)
        key = id(lock)
        self.assertIsNone(holders._noted[key].last["acquire"][0])
        del lock, frame
        self.assertNotIn(key, holders._noted)

    async def test_user(self) -> None:
        """A task that has used something keeps its name. The task of a test has none."""
        current = asyncio.current_task()
        assert current is not None
        task = asyncio.create_task(asyncio.sleep(0), name="Task")
        user = holders.User(task)
        name = lambda one: one.get_name().lower()
        self.assertEqual(user.describe(name, task), "this task itself")
        self.assertEqual(user.describe(name, current), "task")
        await task
        self.assertEqual(user.describe(name, current), "Task (sleep), which has ended,")
        self.assertEqual(holders.User(current).name, "")
        self.assertIsNone(holders.user_of(self))

    async def test_cleared(self) -> None:
        """Who clears an event is noted, but not of that which each queue has."""
        put = SimpleNamespace(f_code=holders._PUT, f_back=None, f_lasti=0)
        for back, is_noted in ((put, False), (None, True), (sys._getframe(), True)):
            event = asyncio.Event()
            frame = frame_of(event.clear, self=event)
            frame.f_back = back
            monitoring._returns[id(frame.f_code)](frame, None)
            self.assertEqual(id(event) in holders._noted, is_noted)

    def test_cleanups(self) -> None:
        """The line that has registered a cleanup is noted, for each test, class and module."""

        class Case(TestCase):
            def test(self) -> None:
                pass

        tests = [Case("test"), Case("test")]
        for owner, method, variables in (
            (tests[0], tests[0].addCleanup, {"self": tests[0]}),
            (tests[0], tests[0].addCleanup, {"self": tests[0]}),
            (tests[1], tests[1].addCleanup, {"self": tests[1]}),
            (Case, Case.addClassCleanup, {"cls": Case}),
            ("module", unittest.addModuleCleanup, {}),
        ):
            phases.unittest_internals.cleanups_of(owner).append((int, (), {}))
            frame = frame_of(method, **variables)
            monitoring._returns[id(frame.f_code)](frame, None)
            number = len(phases.unittest_internals.cleanups_of(owner)) - 1
            phase = phases.Phase(phases.CLEANUP, owner, self.test_cleanups, number)
            self.assertRegex(str(phase), r"^the cleanup .*, registered at .* in test_cleanups$")
            unknown = phases.Phase(phases.CLEANUP, owner, int, number + 1)
            self.assertRegex(str(unknown), "^the cleanup.*: builtins.int$")
        unittest.case._module_cleanups.pop()
        gone = phases.Phase(phases.CLEANUP, tests[0], int, 0)
        self.assertEqual(str(gone), "the cleanup: builtins.int")

    async def test_swallowing(self) -> None:
        """Only a CancelledError is noted that reaches a handler of a task, outside of asyncio."""
        code = swallowing._place.__code__
        cancelled = asyncio.CancelledError()
        handler = next(one for one in range(0, 9999, 2) if code.co_code[one] != swallowing._HANDLER)
        here = self.raises.__func__.__code__  # type: ignore[attr-defined]
        own = next(one for one in range(0, 9999, 2) if here.co_code[one] == swallowing._HANDLER)
        theirs = here.replace(co_filename=os.path.join(monitoring.ASYNCIO, "tasks.py"))  # noqa: PTH118
        task = asyncio.current_task()
        assert task is not None
        for noted in (
            (here, own, ValueError()),
            (code, handler, cancelled),
            (theirs, own, cancelled),
        ):
            swallowing._note(*noted)
            self.assertNotIn(task, swallowing._reached)
        with mock.patch.object(monitoring, "current_task", return_value=None):
            swallowing._note(here, own, cancelled)
        self.assertNotIn(task, swallowing._reached)
        swallowing._note(here, own, cancelled)
        text = swallowing.describe(task)
        self.assertRegex(text, r"^was cancelled 0 times, and went on at .* in raises$")

    def raises(self) -> None:
        """Catch an exception."""
        try:
            raise asyncio.CancelledError
        except ValueError:
            pass
        except asyncio.CancelledError:
            pass
