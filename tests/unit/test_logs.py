"""nose2_aio.logs"""

from __future__ import annotations

import io
import logging
import logging.handlers
import sys
import weakref
from typing import Any
from unittest import TestCase, mock

from nose2.plugins import logcapture

from nose2_aio import outputs, writers
from nose2_aio.changes import Changes
from tests.unit.test_outputs import Recorder, recorded


class Kept(logging.Handler):
    """A handler that keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]


class Case(TestCase):
    """A test with a logger that has a handler from before, and one handler that is on no logger."""

    def setUp(self) -> None:
        self.logger = logging.getLogger("nose2_aio.logs")
        self.handler, self.unused = Kept(), Kept()
        self.logger.addHandler(self.handler)
        self.logger.propagate = False
        self.outputs = self.enterContext(outputs.own())
        self.addCleanup(setattr, self.logger, "handlers", [])


class Deferred(Case):
    """Handlers that were there before."""

    def test_later(self) -> None:
        """They get what a test logs when it is replayed, and all else at once."""
        recorder = recorded(lambda: self.logger.error("a test's"))
        self.logger.error("nobody's")
        self.assertEqual(self.handler.messages, ["nobody's"])
        self.outputs.replay(*recorder.pieces)
        self.assertEqual(self.handler.messages, ["nobody's", "a test's"])

    def test_arguments(self) -> None:
        """The message says what it said; the error stays, and the record that others have."""
        names = ["a"]
        kept: list[logging.LogRecord] = []

        def write() -> None:
            self.logger.addFilter(lambda record: kept.append(record) or True)
            try:
                raise KeyError("wrong")
            except KeyError:
                self.logger.exception("names: %s", names)
            names.append("b")

        self.outputs.replay(*recorded(write).pieces)
        (record,) = self.handler.records
        self.assertEqual((record.getMessage(), record.args), ("names: ['a']", None))
        assert record.exc_info is not None
        self.assertIsInstance(record.exc_info[1], KeyError)
        self.assertEqual(kept[0].args, (["a", "b"],))

    def test_bad_arguments(self) -> None:
        """Arguments that don't fit are told of by the handler, as ever."""
        recorder = recorded(lambda: self.logger.error("%d", "x"))
        handler = logging.StreamHandler(io.StringIO())
        (piece,) = recorder.pieces
        with mock.patch("sys.stderr", io.StringIO()) as stderr:
            self.outputs.replay(piece._replace(handler=handler))  # type: ignore[call-arg]
        self.assertIn("Logging error", stderr.getvalue())

    def test_checks(self) -> None:
        """A handler's level is looked at when it is logged, its filters when it is replayed."""
        self.handler.setLevel(logging.WARNING)
        self.handler.addFilter(lambda record: "not" not in record.getMessage())
        self.logger.setLevel(logging.DEBUG)
        self.addCleanup(self.logger.setLevel, logging.NOTSET)

        def write() -> None:
            for text in ("one", "not two"):
                self.logger.warning(text)
                self.logger.info(text)

        recorder = recorded(write)
        self.assertEqual(recorder.logged(), ["one", "not two"])
        self.outputs.replay(*recorder.pieces)
        self.assertEqual(self.handler.messages, ["one"])

    def test_overridden(self) -> None:
        """A handler's own way to handle is gone once, not twice."""
        calls: list[str] = []

        class Own(Kept):
            def handle(self, record: logging.LogRecord) -> Any:
                calls.append("called")
                return super().handle(record)

        handler = Own()
        self.logger.addHandler(handler)
        self.outputs.replay(*recorded(lambda: self.logger.error("text")).pieces)
        self.assertEqual((calls, handler.messages), (["called"], ["text"]))

    def test_log_capture(self) -> None:
        """nose2's own, put on the root logger for each test again, gets them later too."""
        plugin = mock.Mock(spec=logcapture.LogCapture, clear=False, loglevel=logging.NOTSET)
        plugin.handler = logcapture.MyMemoryHandler(1000, "%(message)s", None, ["-nose"])
        root = logging.getLogger()
        before = (root.handlers[:], root.level)
        self.addCleanup(lambda: (setattr(root, "handlers", before[0]), root.setLevel(before[1])))
        logger = logging.getLogger("nose2_aio_logs_elsewhere")
        for number in range(2):
            logcapture.LogCapture._setupLoghandler(plugin)
            recorder = recorded(lambda number=number: logger.warning("test %d", number))
            self.assertEqual(plugin.handler.buffer, [])
            self.outputs.replay(*(one for one in recorder.pieces if one[0] is plugin.handler))
            self.assertEqual(
                [one.getMessage() for one in plugin.handler.buffer], [f"test {number}"]
            )
            plugin.handler.truncate()

    def test_last_resort(self) -> None:
        """Where there is no handler, it is written to sys.stderr: to the test's own, at once."""
        self.logger.handlers = []
        recorder = recorded(lambda: self.logger.warning("text"))
        self.assertEqual((recorder.text("stderr"), recorder.logged()), ("text\n", []))


class Own(Case):
    """Handlers of a test's own."""

    def test_made(self) -> None:
        """One that a test has made gets at once what its own unit logs, and nothing of others."""
        changes = Changes()
        made: list[Kept] = []

        def one() -> None:
            made.append(Kept())
            self.logger.addHandler(made[0])
            self.logger.error("one")

        recorder = recorded(one, Recorder(changes))
        (handler,) = made
        self.assertEqual(recorder.logged(), ["one"])  # the other handler's
        recorded(lambda: self.logger.error("of the class"), Recorder(changes))
        other = recorded(lambda: self.logger.error("another's"))
        self.assertEqual(other.logged(), ["another's"])
        self.assertEqual(handler.messages, ["one", "of the class"])
        self.logger.error("of a thread that nobody knows")
        self.assertEqual(handler.messages[2:], ["of a thread that nobody knows"])

    def test_left_behind(self) -> None:
        """When the unit is over it is one like those that were there before."""
        changes = Changes()
        made: list[Kept] = []
        recorded(lambda: (made.append(Kept()), self.logger.addHandler(made[0])), Recorder(changes))
        changes.end()
        recorder = recorded(lambda: self.logger.error("text"))
        self.assertEqual(made[0].messages, [])
        self.outputs.replay(*recorder.pieces)
        self.assertEqual(made[0].messages, ["text"])

    def test_added(self) -> None:
        """One that was made before is the test's that adds it, unless it was on a logger."""
        other = logging.getLogger("nose2_aio.logs.other")
        self.addCleanup(setattr, other, "handlers", [])

        def write() -> None:
            other.addHandler(self.unused)
            other.addHandler(self.handler)
            other.addHandler(mock.Mock(level=0))
            other.error("text")

        recorder = recorded(write)
        self.assertEqual((self.unused.messages, self.handler.messages), (["text"], []))
        recorded(lambda: other.error("another's"))
        self.assertEqual(self.unused.messages, ["text"])
        self.outputs.replay(*recorder.pieces)
        self.assertEqual(self.handler.messages, ["text", "text"])  # it is on both loggers

    def test_added_by_nobody(self) -> None:
        """One that was added on behalf of no test stays so, and isn't kept alive."""
        self.logger.addHandler(self.unused)
        recorder = recorded(
            lambda: (self.logger.addHandler(self.unused), self.logger.error("text"))
        )
        self.assertEqual(recorder.logged(), ["text", "text"])
        handler = Kept()
        self.logger.addHandler(handler)
        self.logger.removeHandler(handler)
        gone = weakref.ref(handler)
        del handler
        self.assertIsNone(gone())


class Left(TestCase):
    """The end of the block."""

    def test_others(self) -> None:
        """What somebody has put on top of ours stays, and ours does nothing more."""
        before = vars(logging.Logger)["callHandlers"]
        self.addCleanup(setattr, logging.Logger, "callHandlers", before)
        calls: list[str] = []
        with outputs.own():
            ours = vars(logging.Logger)["callHandlers"]

            def patched(self: logging.Logger, record: logging.LogRecord) -> None:
                calls.append(record.getMessage())
                ours(self, record)

            logging.Logger.callHandlers = patched  # type: ignore[method-assign]
        self.assertIs(vars(logging.Logger)["callHandlers"], patched)
        handler = Kept()
        logger = logging.getLogger("nose2_aio.logs.left")
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)
        logger.error("text")
        self.assertEqual((calls, handler.messages), (["text"], ["text"]))

    def test_stream(self) -> None:
        """A handler on what stood at sys.stderr goes on writing."""
        with mock.patch("sys.stderr", io.StringIO()) as stderr:
            with outputs.own():
                handler = logging.StreamHandler(sys.stderr)
            handler.handle(logging.LogRecord("x", 20, "f", 1, "text", (), None))
        self.assertEqual(stderr.getvalue(), "text\n")
        self.assertIsNone(writers.of_writer())
