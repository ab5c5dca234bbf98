"""nose2_aio.queues"""

from __future__ import annotations

import random
from unittest import TestCase, TestSuite

from nose2_aio.queues import Queue
from nose2_aio.units import Unit


def unit(*keys: str, is_alone: bool = False) -> Unit:
    """Return one that has some keys."""
    return Unit([], TestSuite(), is_alone, frozenset(keys))


class Queues(TestCase):
    """What can begin, and when."""

    def test_order(self) -> None:
        """In order; what runs alone is none of its business."""
        queue = Queue([unit(), unit(is_alone=True), unit(), unit()])
        taken = []
        while not queue.is_empty:
            taken.append(queue.take())
        self.assertEqual(taken, [0, 2, 3])

    def test_keys(self) -> None:
        """Those with a key in common wait for each other, in order; others pass them."""
        queue = Queue([unit("a"), unit("a"), unit("a"), unit("b")])
        self.assertEqual((queue.is_empty, queue.take()), (False, 0))
        self.assertEqual((queue.is_empty, queue.take()), (False, 3))
        self.assertTrue(queue.is_empty)
        queue.release(0)
        self.assertEqual((queue.is_empty, queue.take()), (False, 1))
        self.assertTrue(queue.is_empty)
        queue.release(3)
        queue.release(1)
        self.assertEqual((queue.is_empty, queue.take()), (False, 2))

    def test_crossing(self) -> None:
        """All get their turn, whatever keys they have, and none with a key that is taken."""
        for seed in range(200):
            numbers = random.Random(seed)
            names = "abcd"
            units = [unit(*numbers.sample(names, numbers.randrange(4))) for _ in range(20)]
            queue = Queue(units)
            running: list[int] = []
            done: list[int] = []
            while len(done) < len(units):
                while not queue.is_empty and numbers.random() < 0.8:
                    index = queue.take()
                    for other in running:
                        self.assertFalse(units[index].keys & units[other].keys)
                    running.append(index)
                if running:
                    index = running.pop(numbers.randrange(len(running)))
                    queue.release(index)
                    done.append(index)
            self.assertTrue(queue.is_empty)
            self.assertEqual(sorted(done), list(range(20)))
