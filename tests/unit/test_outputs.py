"""nose2_aio.outputs, with writers and streams"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import faulthandler
import io
import logging
import pickle
import posixpath
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable
from typing import Any
from unittest import TestCase, mock

from nose2.plugins import buffer

from nose2_aio import executors, outputs, writers
from nose2_aio.changes import Changes
from nose2_aio.writers import Logged, Piece, Text


class Recorder(writers.Output):
    """One that keeps what it gets."""

    def __init__(self, changes: Changes | None = None) -> None:
        super().__init__(changes or Changes())
        self.pieces: list[Piece] = []

    def add(self, piece: Piece) -> None:
        self.pieces.append(piece)

    def text(self, name: str = "stdout") -> str:
        """What was written to a stream."""
        found = [one for one in self.pieces if isinstance(one, Text) and one.stream == name]
        return "".join(str(one.text) for one in found)

    def logged(self) -> list[str]:
        """The messages of records."""
        return [str(one.record.msg) for one in self.pieces if isinstance(one, Logged)]


def elsewhere(function: Callable[[], Any]) -> Any:
    """Call in a thread of its own, in an empty context, and return what that gives."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(contextvars.Context().run(function))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    (value,) = found
    if isinstance(value, BaseException):
        raise value
    return value


def recorded(function: Callable[[], Any], recorder: Recorder | None = None) -> Recorder:
    """Call in a thread of its own that writes to a recorder, and return that."""
    recorder = recorder or Recorder()

    def run() -> None:
        writers.bind(recorder)
        try:
            function()
        finally:
            writers.bind(None)

    elsewhere(run)
    return recorder


class Case(TestCase):
    """A test with streams in the place of the terminal."""

    def setUp(self) -> None:
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        self.enterContext(contextlib.redirect_stdout(self.stdout))
        self.enterContext(contextlib.redirect_stderr(self.stderr))
        self.outputs = self.enterContext(outputs.own())


class Writers(Case):
    """Who writes."""

    def test_thread(self) -> None:
        """A thread that is bound writes to its recorder, any other to the real stream."""
        one = recorded(lambda: print("one"))
        two = recorded(lambda: print("two", file=sys.stderr))
        print("main")
        elsewhere(lambda: print("else"))
        self.assertEqual((one.text(), one.text("stderr")), ("one\n", ""))
        self.assertEqual((two.text(), two.text("stderr")), ("", "two\n"))
        self.assertEqual((self.stdout.getvalue(), self.stderr.getvalue()), ("main\nelse\n", ""))

    def test_bound_no_more(self) -> None:
        """What was bound ends."""
        writers.bind(None)
        recorder = recorded(lambda: (print("a"), writers.bind(None), print("b")))
        self.assertEqual((recorder.text(), self.stdout.getvalue()), ("a\n", "b\n"))

    def test_context(self) -> None:
        """The context decides before the thread: tasks, callbacks, to_thread have a copy of it."""
        recorder = Recorder()

        async def main() -> None:
            writers.current.set(recorder)
            asyncio.get_running_loop().call_soon(print, "callback")
            await asyncio.create_task(asyncio.sleep(0))
            await asyncio.to_thread(print, "job")
            context = contextvars.copy_context()
            thread = threading.Thread(target=context.run, args=(print, "thread"))
            thread.start()
            thread.join()

        other = recorded(lambda: asyncio.run(main()))
        self.assertEqual(recorder.text(), "callback\njob\nthread\n")
        self.assertEqual(other.pieces, [])

    def test_carried(self) -> None:
        """A function that is carried writes as its caller does; nothing else comes along."""
        variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
        recorder = Recorder()

        def job(one: int, *, two: int) -> int:
            print(one, two, variable.get())
            return one + two

        def main() -> None:
            variable.set(1)
            carried = writers.carried(job)
            found = elsewhere(lambda: (carried(3, two=4), writers.of_writer()))
            self.assertEqual(found, (7, None))

        recorded(main, recorder)
        self.assertEqual(recorder.text(), "3 4 0\n")
        self.assertIs(writers.carried(job), job)

    def test_carried_names(self) -> None:
        """What is carried goes by its own name, and goes to other processes as it is."""
        found: list[Any] = []
        recorded(lambda: found.append(writers.carried(posixpath.join)))
        (carried,) = found
        self.assertEqual(carried.__name__, "join")
        self.assertEqual(pickle.loads(pickle.dumps(carried))("a", "b"), posixpath.join("a", "b"))

    def test_carried_job(self) -> None:
        """A report names the function of a job that is carried, by to_thread as well."""
        found: list[str] = []
        names = ("run_in_executor", "to_thread")

        class Loop(asyncio.SelectorEventLoop):
            def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
                return super().run_in_executor(executor, writers.carried(func), *args)

        def job() -> None:
            found.extend(str(one) for one in list(executor.running.values()))

        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(executor)
            await loop.run_in_executor(None, job)
            await asyncio.to_thread(job)

        executor = executors.Executor()
        with asyncio.Runner(loop_factory=Loop) as runner:
            recorded(lambda: runner.run(main()))
        for name, text in zip(names, found, strict=True):
            self.assertRegex(text, r"^job, .*test_outputs\.py:\d+", name)


class Streams(Case):
    """They are text streams."""

    def test_write(self) -> None:
        """What is no text is an error, as with any text stream; the length is returned."""

        def write() -> None:
            self.assertEqual(sys.stdout.write("abc"), 3)
            sys.stdout.writelines(["d", "e\n"])
            with self.assertRaisesRegex(TypeError, r"^write\(\) argument must be str, not int$"):
                sys.stdout.write(5)  # type: ignore[arg-type]

        self.assertEqual(recorded(write).text(), "abcde\n")
        write()
        self.assertEqual(self.stdout.getvalue(), "abcde\n")

    def test_users(self) -> None:
        """What others write there is the test's own: tracebacks, warnings, log handlers."""

        def write() -> None:
            try:
                raise ValueError("wrong")
            except ValueError:
                traceback.print_exc()
            warnings.showwarning("careful", UserWarning, "file.py", 3)
            logging.StreamHandler(sys.stderr).handle(
                logging.LogRecord("x", 20, "f", 1, "log", (), None)
            )

        text = recorded(write).text("stderr")
        self.assertRegex(text, r"(?s)^Traceback .*ValueError: wrong\nfile.py:3: .*: careful\n.*log")
        self.assertEqual(self.stderr.getvalue(), "")

    def test_warnings(self) -> None:
        """A warning that nobody catches is the test's own."""
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = _showwarning
            recorder = recorded(lambda: warnings.warn("careful", stacklevel=1))
        self.assertIn("UserWarning: careful", recorder.text("stderr"))

    def test_delegated(self) -> None:
        """All else is the real stream's."""
        with tempfile.TemporaryFile("w+", encoding="latin-1", errors="replace") as file:
            sys.stdout = file
            self.outputs.settle()
            stream: Any = sys.stdout
            self.assertIsNot(stream, file)

            def look() -> None:
                self.assertEqual((stream.encoding, stream.errors), ("latin-1", "replace"))
                self.assertEqual(stream.fileno(), file.fileno())
                self.assertEqual(stream.buffer.fileno(), file.fileno())
                self.assertFalse(stream.isatty() or stream.buffer.isatty() or stream.closed)
                self.assertTrue(stream.buffer.writable())
                self.assertEqual((stream.newlines, stream.name), (file.newlines, file.name))
                self.assertFalse(hasattr(stream, "nothing"))
                self.assertIn("of many tests, else <_io.TextIOWrapper", repr(stream))
                stream.reconfigure(line_buffering=False)
                faulthandler.dump_traceback(stream)

            recorder = recorded(look)
            look()
            self.assertEqual(recorder.pieces, [])
            file.seek(0)
            self.assertIn("in look", file.read())
            sys.stdout = self.stdout
            self.outputs.settle()

    def test_copied(self) -> None:
        """It can be copied, so what refers to it can."""
        found = copy.copy(sys.stdout)
        self.assertEqual(found.write("a"), 1)
        self.assertFalse(hasattr(object.__new__(type(found)), "encoding"))

    def test_flush(self) -> None:
        """A test flushes nothing that isn't its own."""
        with mock.patch.object(self.stdout, "flush") as flush:
            recorded(lambda: print("a", flush=True))
            flush.assert_not_called()
            print("a", flush=True)
            flush.assert_called_once_with()

    def test_missing(self) -> None:
        """Where there is no stream there is none."""
        with mock.patch("sys.stdout", None), outputs.own() as inner:
            inner.settle()
            self.assertIsNone(sys.stdout)
            print("nothing")


class Bytes(Case):
    """What is written to a buffer."""

    def test_order(self) -> None:
        """Bytes stay behind the text before them; a character may be cut, or none at all."""

        def write() -> None:
            sys.stdout.write("a")
            sys.stdout.buffer.write("ä".encode()[:1])
            sys.stdout.buffer.write(bytearray("ä".encode()[1:]))
            sys.stdout.write("b")
            sys.stdout.buffer.write(memoryview(b"\xff"))

        self.outputs.replay(*recorded(write).pieces)
        self.assertEqual(self.stdout.getvalue(), "aäb\\xff")

    def test_live(self) -> None:
        """On behalf of nobody they go to the real buffer, if there is one."""
        self.assertFalse(hasattr(sys.stdout, "buffer"))
        raw = io.BytesIO()
        sys.stdout = io.TextIOWrapper(raw, encoding="utf-8")
        self.outputs.settle()
        sys.stdout.write("a")
        sys.stdout.buffer.write(b"b")  # overtakes the text, as ever
        sys.stdout.flush()
        self.assertEqual(raw.getvalue(), b"ba")

    def test_kept(self) -> None:
        """A buffer that is kept beyond its test is that of the real stream."""
        found: list[Any] = []
        recorded(lambda: found.append(sys.stdout.buffer))
        (kept,) = found
        self.assertEqual(kept.write(b"a\xff"), 2)
        raw = io.BytesIO()
        sys.stdout = io.TextIOWrapper(raw, encoding="utf-8")
        self.outputs.settle()
        sys.stdout.write("b")
        kept.write(b"c")
        sys.stdout.flush()
        self.assertEqual((self.stdout.getvalue(), raw.getvalue()), ("a\\xff", b"bc"))


class Replay(Case):
    """What was recorded, in its turn."""

    def test_order(self) -> None:
        """Streams and records keep their order."""
        events: list[str] = []

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                events.append(record.getMessage())

        for name in ("stdout", "stderr"):
            stream = mock.Mock(write=events.append, encoding="utf-8")
            self.enterContext(mock.patch.object(sys, name, stream))
        self.outputs.settle()
        handler = Handler()
        logger = logging.getLogger("nose2_aio.outputs.order")
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)
        logger.propagate = False

        def write() -> None:
            print("one")
            print("two", file=sys.stderr)
            logger.error("three")
            logger.error("four")
            print("five")

        recorder = recorded(write)
        self.assertEqual(events, [])
        self.outputs.replay(*recorder.pieces)
        self.assertEqual(events, ["one\n", "two\n", "three", "four", "five\n"])

    def test_encoding(self) -> None:
        """What the real stream can't encode doesn't end the run."""
        raw = io.BytesIO()
        sys.stdout = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
        self.outputs.settle()
        self.outputs.replay(Text("stdout", "aä\udc80"))
        self.assertEqual(raw.getvalue(), rb"a\xe4\udc80")

    def test_left(self) -> None:
        """Behind the block all is as it was."""
        before = (sys.stdout, vars(logging.Handler)["handle"], vars(TestCase)["assertLogs"])
        with outputs.own():
            self.assertIsNot(sys.stdout, before[0])
        after = (sys.stdout, vars(logging.Handler)["handle"], vars(TestCase)["assertLogs"])
        self.assertEqual(after, before)


class Plugins(Case):
    """Plugins that put something at sys.stdout."""

    def test_buffer(self) -> None:
        """nose2's buffer gets what is replayed, and nothing that is on behalf of others."""
        with mock.patch("sys.__stdout__", self.stdout):
            for number in range(3):
                kept = buffer._Buffer(sys.stdout)
                sys.stdout = kept
                self.assertIs(sys.stdout, kept)
                self.outputs.settle()
                other = recorded(lambda: print("another test's"))
                self.outputs.replay(Text("stdout", f"{number}\n"))
                print("live")
                self.assertEqual(
                    (str(kept), other.text()), (f"{number}\nlive\n", "another test's\n")
                )
                sys.stdout = sys.__stdout__  # type: ignore[assignment]
                self.outputs.settle()
                print("between")
        self.assertEqual(self.stdout.getvalue(), "between\n" * 3)
        self.assertEqual(len(vars(sys.stdout)["_layers"]), 1)

    def test_number(self) -> None:
        """What is put there may ask what stood there before for the number of its file."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
            sys.stdout = file
            self.outputs.settle()
            sys.stdout = buffer._Buffer(sys.stdout)
            self.outputs.settle()
            self.assertEqual(sys.stdout.fileno(), file.fileno())
            sys.stdout = self.stdout
            self.outputs.settle()

    def test_tee(self) -> None:
        """What writes to what stood there before writes one layer down; two do so twice."""
        for letter in "ab":
            sys.stdout = _Tee(sys.stdout, letter)
            self.outputs.settle()
        sys.stdout.write("text")
        self.outputs.replay(Text("stdout", "played"))
        recorder = recorded(lambda: print("its own"))
        self.assertEqual(self.stdout.getvalue(), "abtextabplayed")
        self.assertEqual(recorder.text(), "its own\n")

    def test_last(self) -> None:
        """What stands there last, stands there behind the block."""
        last = io.StringIO()
        with outputs.own():
            sys.stdout = last
        self.assertIs(sys.stdout, last)
        sys.stdout = self.stdout


class _Tee:
    encoding = "utf-8"

    def __init__(self, stream: Any, letter: str) -> None:
        self._stream, self._letter = stream, letter

    def write(self, text: str) -> int:
        found: int = self._stream.write(self._letter + text)
        return found


def _showwarning(*args: Any, **kwargs: Any) -> None:
    sys.stderr.write(warnings.formatwarning(*args[:4]))
