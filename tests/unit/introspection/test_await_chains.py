"""nose2_aio.introspection.await_chains"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import types
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any
from unittest import TestCase, mock

from nose2_aio.introspection import await_chains
from nose2_aio.introspection.await_chains import Line


async def numbers() -> AsyncIterator[int]:
    """Wait before the first number."""
    await asyncio.Event().wait()
    yield 1


def in_library() -> Line | None:
    """Return the innermost line of this stack."""
    return await_chains.innermost_of_frame(sys._getframe())


async def iterates() -> None:
    """Iterate, two levels deep."""
    async for _ in numbers():
        pass


async def descends(depth: int) -> None:
    """Wait, some calls deep."""
    if depth:
        await descends(depth - 1)
    else:
        await asyncio.Event().wait()


class Chains(TestCase):
    """Where a task is suspended, and where code runs."""

    async def test_chain(self) -> None:
        """A chain has coroutines and async generators. The middle of a long one is left out."""
        for coroutine, names in (
            (iterates(), ["iterates", "numbers"]),
            (descends(2), ["descends"] * 3),
            (descends(50), ["descends"] * 15 + ["..."] + ["descends"] * 15),
        ):
            task: asyncio.Task[None] = asyncio.create_task(coroutine)
            await asyncio.sleep(0)
            lines = await_chains.of_task(task)
            found = [line.place.rpartition(" in ")[2].split()[0] for line in lines]
            self.assertEqual([name[:8] for name in found], [name[:8] for name in names])
            task.cancel()
            await asyncio.wait([task])
        self.assertEqual(await_chains.of_task(task), [])

    def test_no_end(self) -> None:
        """An unknown awaitable ends the chain; a circular chain is not followed for ever."""
        for module in ("builtins", __name__):
            wrapper = type("coroutine_wrapper", (), {"__module__": module})()
            self.assertEqual(await_chains._step(wrapper), (None, None))
        circle = mock.Mock(spec=["cr_frame", "cr_await"], cr_frame=sys._getframe())
        circle.cr_await = circle
        task = mock.Mock(get_coro=lambda: circle)
        self.assertEqual(len(list(await_chains.frames(task))), await_chains._MAX_FRAMES)

    def test_running(self) -> None:
        """A running stack is shown without the frames of the test runner."""
        lines = await_chains.of_frame(sys._getframe())
        self.assertEqual(lines[-1].source, "lines = await_chains.of_frame(sys._getframe())")
        self.assertNotIn("unittest", lines[0].place)

    def test_innermost(self) -> None:
        """The innermost line of a running stack is the user's, if there is one."""
        code = in_library.__code__.replace(co_filename=asyncio.__file__)
        line = types.FunctionType(code, globals())()
        assert line is not None
        self.assertIn("in test_innermost", line.place)
        self.assertIsNone(await_chains.innermost_of_frame(None))

    def test_no_line(self) -> None:
        """A frame may have no line number, while an async generator is closed."""
        number: Any = None
        (line,) = await_chains.to_lines([(sys._getframe(), number)])
        self.assertIn("test_await_chains.py:0 in test_no_line", line.place)

    async def test_names(self) -> None:
        """The user's own types are not mistaken for CPython's of the same name."""

        class coroutine_wrapper:  # a name of CPython's
            def __init__(self) -> None:
                self.inner = descends(1)

        wrapper = coroutine_wrapper()
        self.assertEqual(await_chains._step(wrapper), (None, None))
        wrapper.inner.close()

    def test_libraries(self) -> None:
        """Of more than two lines of libraries in a row, the last one and a count are shown."""
        frames: list[FrameType] = []
        users: dict[str, Any] = {"__name__": "project"}
        users["frame"] = lambda: frames.append(sys._getframe(1))
        exec(compile("def f(n): return f(n - 1) if n else g(2)", "/project/f.py", "exec"), users)
        library = {**users, "__name__": "library.a"}
        exec(
            compile("def g(n): return g(n - 1) if n else frame()", contextlib.__file__, "exec"),
            library,
        )
        users["g"] = library["g"]
        users["f"](1)
        entries = []
        frame: FrameType | None = frames[0]
        while frame is not None and frame.f_code.co_name in "fg":
            entries.insert(0, (frame, 1))
            frame = frame.f_back
        places = [line.place for line in await_chains.to_lines(entries)]
        expected = [
            "/project/f.py:1 in f",
            "/project/f.py:1 in f",
            "... 2 frames of library ...",
            "contextlib.py:1 in g",
        ]
        self.assertEqual(places, expected)

    def test_formatted(self) -> None:
        """The source code is in one column, and is cut."""
        lines = [Line("a.py:1 in f", "X" * 200), Line("long.py:100 in function", "Z")]
        texts = await_chains.format_lines(lines)
        self.assertEqual(
            [text.index(letter) for text, letter in zip(texts, "XZ", strict=True)], [27, 27]
        )
        self.assertLess(len(texts[0]), 120)
        self.assertTrue(texts[0].endswith("XX ..."))
