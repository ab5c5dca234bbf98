"""nose2_aio.workers.replay"""

from __future__ import annotations

import io
import logging
import pickle
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest import TestCase, TestResult, mock

from nose2 import result as nose2_result

from nose2_aio.suites.units import Unit
from nose2_aio.workers import replay
from nose2_aio.workers.messages import (
    Call,
    Error,
    ErrorHolder,
    Logged,
    OutputText,
    PickledValue,
    Refusal,
    Stopped,
    SubTest,
    UnknownTest,
)


class Case(TestCase):
    def one(self) -> None: ...


def error(kind: type[BaseException], *args: object) -> Error:
    return Error(
        (pickle.dumps(kind),), PickledValue(pickle.dumps(kind(*args)), "words"), "the text"
    )


def packed(value: object) -> PickledValue:
    return PickledValue(pickle.dumps(value), repr(value))


class Replaying(TestCase):
    """Events are replayed on a result."""

    def setUp(self) -> None:
        self.tests = [Case("one"), Case("one")]
        self.result = mock.create_autospec(TestResult, instance=True)
        self.clock = replay.Clock()
        self.handler = mock.Mock()
        units = [Unit([], None), Unit(self.tests, None)]
        self.replay = replay.Replay(self.result, units, self.clock, [mock.Mock(), self.handler])

    def play(self, event: Any, unit: int = 1) -> None:
        self.replay.play(unit, event)

    def test_calls(self) -> None:
        """A call is made with the test itself, and with the error as nose2 wants it."""
        self.play(Call("startTest", 1, (), 5.0))
        self.play(Call("addSkip", 1, ("later",), 5.0))
        self.play(Call("addError", 0, (error(LookupError, "lost"),), 5.0))
        self.result.startTest.assert_called_once_with(self.tests[1])
        self.result.addSkip.assert_called_once_with(self.tests[1], "later")
        (test, (kind, value, text)), _ = self.result.addError.call_args
        self.assertIs(test, self.tests[0])
        self.assertEqual((kind, type(value), str(value)), (LookupError, LookupError, "lost"))
        self.assertEqual(text, "the text")

    def test_in_test(self) -> None:
        """``is_in_test`` is True between the start and the end of a test."""
        self.assertFalse(self.replay.is_in_test)
        self.play(Call("startTest", 0, (), 0.0))
        self.play(Call("addSuccess", 0, (), 0.0))
        self.assertTrue(self.replay.is_in_test)
        self.play(Call("stopTest", 0, (), 0.0))
        self.assertFalse(self.replay.is_in_test)

    def test_subtest(self) -> None:
        """A subtest belongs to the test, and has its message and parameters."""
        self.play(Call("addSubTest", 0, (SubTest(packed("words"), {"n": packed(1)}), None), 0.0))
        self.play(
            Call(
                "addSubTest",
                0,
                (
                    SubTest(
                        None, {"n": packed(2), "m": packed(None), "x": PickledValue(b"", "<it>")}
                    ),
                    None,
                ),
                0.0,
            )
        )
        first, second = (call.args for call in self.result.addSubTest.mock_calls)
        self.assertIs(first[0], self.tests[0])
        self.assertEqual(first[1].id(), f"{self.tests[0].id()} [words] (n=1)")
        self.assertEqual(second[1].id(), f"{self.tests[0].id()} (n=2, m=None, x=<it>)")
        self.assertIsNone(first[2])

    def test_others(self) -> None:
        """An object with the same names replaces anything that isn't a test of the unit."""
        self.play(
            Call(
                "addError",
                ErrorHolder("_ErrorHolder", "setUpClass (x.Y)"),
                (error(LookupError),),
                0.0,
            )
        )
        self.play(Call("addError", ErrorHolder("Own", "words"), (error(LookupError),), 0.0))
        self.play(Call("startTest", UnknownTest("a.b", "b (a)", "what it does"), (), 0.0))
        holder, own = (call.args[0] for call in self.result.addError.mock_calls)
        self.assertEqual((type(holder).__name__, holder.id()), ("_ErrorHolder", "setUpClass (x.Y)"))
        self.assertEqual((type(own).__name__, own.id()), ("Own", "words"))
        (stranger,) = self.result.startTest.call_args.args
        self.assertIsInstance(stranger, TestCase)
        self.assertEqual(
            (stranger.id(), str(stranger), stranger.shortDescription()),
            ("a.b", "b (a)", "what it does"),
        )

    def test_time(self) -> None:
        """During a call, the clock returns the time that was recorded."""
        shown = []
        self.result.startTest.side_effect = lambda _: shown.append(self.clock.time())
        self.play(Call("startTest", 0, (), 12.5))
        self.assertEqual(shown, [12.5])
        self.assertAlmostEqual(self.clock.time(), time.time(), delta=5)
        self.assertIs(self.clock.sleep, time.sleep)
        self.result.startTest.side_effect = LookupError
        with self.assertRaises(LookupError):
            self.play(Call("startTest", 0, (), 12.5))
        self.assertIsNone(self.clock.moment)

    def test_texts(self) -> None:
        """Text is written to the current stream. Characters that it can't encode become bytes."""
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            self.play(OutputText(1, "to stdout"))
            self.play(OutputText(2, "to stderr"))
        self.assertEqual((out.getvalue(), err.getvalue()), ("to stdout", "to stderr"))
        data = io.BytesIO()
        with redirect_stdout(io.TextIOWrapper(data, "ascii", write_through=True)) as stream:
            self.play(OutputText(1, "é!"))
            self.assertEqual(data.getvalue(), b"\\xe9!")
        stream.close()

    def test_logged(self) -> None:
        """A log record goes to the handler with its index."""
        record = logging.makeLogRecord({"msg": "logged"})
        self.play(Logged(1, packed(record)))
        self.play(Logged(1, PickledValue(b"", "the text")))
        found = [call.args[0].getMessage() for call in self.handler.emit.mock_calls]
        self.assertEqual(found, ["logged", "the text"])

    def test_stopped(self) -> None:
        """If a test has stopped the run, the result is stopped."""
        self.play(Stopped())
        self.result.stop.assert_called_once_with()


class Plugins(TestCase):
    """The time of nose2 and its plugins."""

    def test_block(self) -> None:
        """They read our clock inside the block, and their own again after it."""
        before = nose2_result.time
        with replay.time_of_plugins() as clock:
            clock.moment = 3.0
            self.assertEqual(nose2_result.time.time(), 3.0)
        self.assertIs(nose2_result.time, before)
        with mock.patch.dict("sys.modules"):
            del sys.modules["nose2.result"]
            with replay.time_of_plugins():
                self.assertIs(nose2_result.time, before)


class Streams(TestCase):
    """Text that a stream can't encode."""

    def test_no_bytes(self) -> None:
        """A stream without a buffer gets backslash escapes."""

        class Narrow:
            def __init__(self) -> None:
                self.told: list[str] = []

            def write(self, text: str) -> None:
                text.encode("ascii")
                self.told.append(text)

        stream = Narrow()
        with mock.patch.object(sys, "stdout", stream):
            replay._write("stdout", "caf\xe9")
        self.assertEqual(stream.told, ["caf\\xe9"])

    def test_nothing(self) -> None:
        """Other events are ignored."""
        result = mock.Mock()
        replay.Replay(result, [], replay.Clock(), []).play(0, Refusal("a reason"))
        self.assertEqual(result.mock_calls, [])
