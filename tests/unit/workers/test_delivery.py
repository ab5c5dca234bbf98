"""nose2_aio.workers.delivery"""

from __future__ import annotations

from typing import Any
from unittest import TestCase

from nose2_aio.workers.delivery import Delivery
from nose2_aio.workers.messages import Call, Collected, Event, NeedsTerminal, Note, OutputText


def called(name: str, test: int = 0) -> Call:
    return Call(name, test, (), 0.0)


class Receiver:
    """Records the events that are delivered."""

    def __init__(self, stops_at: object = None) -> None:
        self.told: list[Any] = []
        self.seen: list[tuple[int, int]] = []
        self.is_stopped = False
        self._stops_at = stops_at

    def preview(self, unit: int, events: Any) -> None:
        self.seen.append((unit, len(events)))

    def receive(self, unit: int, event: Event) -> None:
        self.told.append((unit, event.name if isinstance(event, Call) else event.text))  # type: ignore[union-attr]
        self.is_stopped |= self.told[-1] == self._stops_at

    def run_here(self, unit: int, test: int) -> None:
        self.told.append((unit, f"here {test}"))

    def merge(self, found: Any) -> None:
        self.told.append(found)

    def note(self, line: str) -> None:
        self.told.append(line)


class Deliver(TestCase):
    """The order of events."""

    def test_turns(self) -> None:
        """Units are delivered in their order, each as soon as those before it are over."""
        receiver = Receiver()
        delivery = Delivery(receiver, [2, 0, 1])
        delivery.add(1, [OutputText(1, "b")])
        delivery.end(1)
        delivery.deliver()
        self.assertEqual((receiver.told, delivery.current), ([], 0))
        self.assertEqual(receiver.seen, [(1, 1)])
        delivery.add(0, [OutputText(1, "a")])
        delivery.add(2, [OutputText(1, "c")])
        delivery.deliver()
        self.assertEqual(receiver.told, [(0, "a")])
        delivery.add(0, [OutputText(1, "aa")])
        delivery.end(0)
        delivery.deliver()
        self.assertEqual(receiver.told, [(0, "a"), (0, "aa"), (1, "b"), (2, "c")])
        self.assertFalse(delivery.is_over)
        delivery.end(2)
        delivery.deliver()
        self.assertTrue(delivery.is_over)
        delivery.deliver()
        self.assertEqual(len(receiver.told), 4)

    def test_kinds(self) -> None:
        """Findings and lines for the end are kept. A test that needs a terminal runs here."""
        receiver = Receiver()
        delivery = Delivery(receiver, [0])
        delivery.add(
            0,
            [
                called("startTest"),
                Collected("found"),
                NeedsTerminal(3),
                OutputText(2, "x"),
                Note("line"),
            ],
        )
        delivery.deliver()
        self.assertEqual(
            receiver.told, [(0, "startTest"), "found", (0, "here 3"), (0, "x"), "line"]
        )

    def test_stopped(self) -> None:
        """After the run was stopped no test begins. The end of the current unit is delivered."""
        for event in (called("startTest", 1), NeedsTerminal(1)):
            receiver = Receiver(stops_at=(0, "stopTest"))
            delivery = Delivery(receiver, [0, 1])
            delivery.add(0, [called("startTest"), called("stopTest"), called("addError")])
            delivery.add(0, [event, called("never")])
            delivery.add(1, [OutputText(1, "never")])
            delivery.end(0)
            delivery.deliver()
            self.assertEqual(receiver.told, [(0, "startTest"), (0, "stopTest"), (0, "addError")])
            delivery.deliver_rest()
            self.assertEqual(len(receiver.told), 3)

    def test_rest(self) -> None:
        """The rest is delivered in order. A stopped run delivers only the current unit."""
        for is_stopped, told in ((False, ["a", "b", "c"]), (True, ["a"])):
            receiver = Receiver()
            delivery = Delivery(receiver, [0, 1, 2])
            for unit, text in ((2, "c"), (0, "a"), (1, "b")):
                delivery.add(unit, [OutputText(1, text)])
            receiver.is_stopped = is_stopped
            delivery.deliver_rest()
            self.assertEqual([text for _, text in receiver.told], told)

    def test_late(self) -> None:
        """Late events of a unit are delivered at the end. A stopped run forgets them."""
        for is_stopped, told in ((False, [(0, "late")]), (True, [])):
            receiver = Receiver()
            delivery = Delivery(receiver, [0])
            delivery.end(0)
            delivery.deliver()
            delivery.add(0, [OutputText(1, "late")])
            receiver.is_stopped = is_stopped
            delivery.deliver_rest()
            self.assertEqual(receiver.told, told)
