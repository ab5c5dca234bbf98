"""nose2_aio.cases.scopes"""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import TestCase, mock

from nose2_aio.cases.scope_keys import ScopeKey, ScopeLevel
from nose2_aio.cases.scopes import Scopes
from nose2_aio.config.settings import Settings
from nose2_aio.errors import InterruptedRunError

MODULE = ScopeKey(ScopeLevel.MODULE, module="module")
CLASS = ScopeKey(ScopeLevel.CLASS, module="module", case=TestCase)
TEST = ScopeKey(ScopeLevel.TEST, module="module", case=TestCase, test="test")
OTHER = ScopeKey(ScopeLevel.TEST, module="other", case=int, test="other")


class Opening(TestCase):
    """Which scopes are opened, and where."""

    def setUp(self) -> None:
        self.scopes = Scopes(Settings())
        self.addCleanup(self.scopes.close_all)

    def levels(self) -> list[ScopeLevel]:
        """Return the levels that are open."""
        return [scope.level for scope in self.scopes.open]

    def test_shared_loop(self) -> None:
        """A scope is opened inside the nearest open one, and shares its loop."""
        outer = self.scopes.runner_for(MODULE)
        self.assertIs(self.scopes.runner_for(TEST).loop, outer.loop)
        self.assertEqual(self.levels(), [ScopeLevel.MODULE, ScopeLevel.TEST])
        self.assertIs(self.scopes.runner_for(TEST), self.scopes.runner_around(TEST))

    def test_in_use(self) -> None:
        """A scope stays open while code runs in it, as when the user calls cleanups by hand."""
        runner = self.scopes.runner_for(TEST)
        runner.call(self.scopes.close_innermost)
        self.assertEqual(self.levels(), [ScopeLevel.TEST])
        self.scopes.close_innermost()
        self.assertEqual(self.levels(), [])

    def test_class_inside_test(self) -> None:
        """A class that runs inside a test, in a suite of the test, doesn't share its loop."""
        loop = self.scopes.runner_for(TEST).loop
        inner = ScopeKey(ScopeLevel.CLASS, module="module", case=int)
        self.assertIsNot(self.scopes.runner_for(inner).loop, loop)

    def test_async_fixture(self) -> None:
        """A scope with a coroutine function is opened before the scopes inside it."""
        self.scopes.note_async_fixture(MODULE)
        self.assertTrue(self.scopes.has_async_fixture(MODULE))
        self.scopes.runner_for(TEST)
        self.assertEqual(self.levels(), [ScopeLevel.MODULE, ScopeLevel.TEST])

    def test_loop_scope(self) -> None:
        """So is a scope that ``loop-scope`` asks for. A test that asks for less skips it."""
        self.scopes.runner_for(TEST._replace(loop_scope=ScopeLevel.CLASS))
        self.assertEqual(self.levels(), [ScopeLevel.CLASS, ScopeLevel.TEST])
        self.scopes.close_outside(CLASS)
        loop = self.scopes.open[0].runner.loop
        self.assertIsNot(self.scopes.runner_for(TEST).loop, loop)

    def test_interrupted(self) -> None:
        """Ctrl-C at the end of a scope is an error of a class or module, and only noted of others.

        The second one ends the run.
        """
        for key, is_error in ((CLASS, True), (CLASS._replace(level=ScopeLevel.LAYER), False)):
            runner = self.scopes.runner_for(key)
            error = InterruptedRunError("now")
            self.scopes.explain = lambda _, error=error: error  # type: ignore[misc]
            with mock.patch.object(runner, "close", side_effect=KeyboardInterrupt):
                self.assertIs(self.scopes._close_last(), error if is_error else None)
            runner.close()
        self.scopes.explain = lambda error: error
        runner = self.scopes.runner_for(CLASS)
        with (
            mock.patch.object(runner, "close", side_effect=KeyboardInterrupt),
            self.assertRaises(KeyboardInterrupt),
        ):
            self.scopes._close_last()
        runner.close()

    def test_close_outside(self) -> None:
        """Before a test runs, the scopes that don't contain it are closed."""
        self.scopes.runner_for(MODULE)
        self.scopes.runner_for(CLASS)
        loop = self.scopes.runner_for(TEST).loop
        self.scopes.close_outside(TEST._replace(test="next"))
        self.assertEqual(self.levels(), [ScopeLevel.MODULE, ScopeLevel.CLASS])
        self.scopes.close_outside(OTHER)
        self.assertEqual(self.levels(), [])
        self.assertTrue(loop.is_closed())

    def test_close(self) -> None:
        """Closing a scope closes the inner ones too. Closing a closed one does nothing."""
        self.scopes.runner_for(MODULE)
        self.scopes.runner_for(TEST)
        self.scopes.close(CLASS)
        self.assertEqual(self.levels(), [ScopeLevel.MODULE, ScopeLevel.TEST])
        self.scopes.close(MODULE)
        self.assertEqual(self.levels(), [])

    def test_layers(self) -> None:
        """Layers nest among themselves. The end of the outer one ends all."""
        outer, inner = (ScopeKey(ScopeLevel.LAYER, layer=layer) for layer in (int, bool))
        loop = self.scopes.runner_for(outer).loop
        self.scopes.close_outside(inner)
        self.assertIs(self.scopes.runner_for(inner).loop, loop)
        self.scopes.close(outer)
        self.assertEqual(self.levels(), [])

    def test_closed_by_the_user(self) -> None:
        """A scope whose loop was closed is opened again."""
        closed = self.scopes.runner_for(TEST).loop
        closed.close()
        self.assertIsNone(self.scopes.runner_around(TEST))
        self.assertIsNot(self.scopes.runner_for(TEST).loop, closed)

    def test_close_all_after_error(self) -> None:
        """An error in one scope doesn't keep the others open."""

        async def begins() -> None: ...

        outer = self.scopes.runner_for(MODULE)
        outer.run(begins(), lambda: None)
        inner = self.scopes.runner_for(TEST)
        close = inner.close

        def fails() -> Any:
            close()
            raise LookupError

        inner.close = fails  # type: ignore[method-assign]
        with self.assertRaises(LookupError):
            self.scopes.close_all()
        self.assertTrue(outer.loop.is_closed())

    def test_loop_made_current(self) -> None:
        """The user's loop is found when it was made current; one of our loops is not."""
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        self.addCleanup(asyncio.set_event_loop, None)
        asyncio.set_event_loop(loop)
        self.assertIs(self.scopes.loop_made_current(None), loop)
        self.assertIsNone(self.scopes.loop_made_current(loop))
        self.scopes.use_loop(CLASS, loop)
        self.assertIsNone(self.scopes.loop_made_current(None))
        self.assertIs(self.scopes.runner_for(TEST).loop, loop)
