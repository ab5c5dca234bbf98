"""nose2_aio.config.tags, nose2_aio.config.tag_lookup"""

from __future__ import annotations

import functools
import re
from unittest import TestCase

import nose2_aio as aio
from nose2_aio.config import tag_lookup
from nose2_aio.config.tag_lookup import DurationTags
from nose2_aio.errors import InvalidTypeError, InvalidValueError


def function() -> None:
    """Do nothing."""


class Recording(TestCase):
    """What a tag records."""

    def test_function(self) -> None:
        """On a function, a tag is one plain attribute of its name. The function is returned."""

        def tagged() -> None:
            pass

        self.assertIs(aio.timeout(5)(aio.sleep(0.5)(tagged)), tagged)
        self.assertEqual(vars(tagged), {"timeout": 5, "sleep": 0.5})

    def test_class(self) -> None:
        """On a class, a tag is no attribute of its name."""

        @aio.timeout(5)
        @aio.sleep(1)
        class Tagged:
            timeout = 3

        self.assertEqual(Tagged.timeout, 3)
        self.assertFalse(hasattr(Tagged, "sleep"))
        self.assertEqual(
            tag_lookup.read_durations(function, Tagged), DurationTags(timeout=5, sleep=1)
        )

    def test_static(self) -> None:
        """On a static or class method, the function is tagged."""

        class Tagged:
            @aio.timeout(1)
            @staticmethod
            def static() -> None: ...

            @aio.timeout(2)
            @classmethod
            def class_method(cls) -> None: ...

        self.assertEqual(tag_lookup.read_durations(Tagged.static, Tagged), DurationTags(timeout=1))
        self.assertEqual(
            tag_lookup.read_durations(Tagged.class_method, Tagged), DurationTags(timeout=2)
        )

    def test_partial(self) -> None:
        """A partial has the tags of its function."""
        tagged = functools.partial(functools.partial(aio.timeout(1)(lambda *_: None), 1), 2)
        self.assertEqual(tag_lookup.read_durations(tagged, object), DurationTags(timeout=1))
        self.assertTrue(tag_lookup.is_coroutine_tagged(tagged))

    def test_is_tagged(self) -> None:
        """A function is tagged by a decorator or by hand. None is not a tag."""

        def by_hand() -> None:
            pass

        self.assertFalse(tag_lookup.is_coroutine_tagged(by_hand))
        by_hand.timeout = None
        self.assertFalse(tag_lookup.is_coroutine_tagged(by_hand))
        by_hand.sleep = 0
        self.assertTrue(tag_lookup.is_coroutine_tagged(by_hand))

    def test_invalid(self) -> None:
        """An invalid value is an error at once. It names value, place and rule."""
        with self.assertRaises(InvalidValueError) as caught:
            aio.timeout(-1)
        self.assertRegex(
            str(caught.exception),
            r"^timeout must be a finite number of seconds >= 0, got -1 "
            r"\(@timeout, .*test_tags\.py:\d+\)$",
        )
        with self.assertRaisesRegex(InvalidTypeError, r"^sleep .* got 'long' \(@sleep, "):
            aio.sleep("long")
        with self.assertRaisesRegex(InvalidTypeError, r"^timeout .* got <function"):
            aio.timeout(function)

    def test_on_nothing(self) -> None:
        """Other objects than functions and classes can't be tagged."""
        for other in (7, self, self.test_on_nothing, print, None):
            rule = f"@timeout is for functions and classes, got {other!r} (@timeout, "
            with self.assertRaisesRegex(InvalidTypeError, f"^{re.escape(rule)}"):
                aio.timeout(5)(other)
        self.assertFalse(hasattr(self, "timeout"))


class Reading(TestCase):
    """Which tag holds for a test."""

    def test_none(self) -> None:
        """No tags: a class's own attribute with the name of a tag is not one."""

        class Untagged:
            timeout = 3

            def method(self) -> None:
                pass

        self.assertEqual(
            tag_lookup.read_durations(Untagged().method, Untagged), DurationTags(None, None)
        )
        self.assertEqual(tag_lookup.read_durations(function, object), DurationTags(None, None))
        self.assertEqual(tag_lookup.read_durations(print, object), DurationTags(None, None))

    def test_function_over_class(self) -> None:
        """The tag of the function wins over that of its class. Other tags of the class hold."""

        @aio.timeout(1)
        @aio.sleep(2)
        class Tagged:
            @aio.timeout(3)
            def method(self) -> None:
                pass

        self.assertEqual(
            tag_lookup.read_durations(Tagged().method, Tagged), DurationTags(timeout=3, sleep=2)
        )

    def test_inherited(self) -> None:
        """Tags of base classes hold. That of the nearest one wins."""

        @aio.timeout(1)
        class Base: ...

        @aio.sleep(2)
        class Mixin: ...

        class Both(Mixin, Base): ...

        @aio.timeout(4)
        class Nearest(Both): ...

        self.assertEqual(
            tag_lookup.read_durations(function, Both), DurationTags(timeout=1, sleep=2)
        )
        self.assertEqual(
            tag_lookup.read_durations(function, Nearest), DurationTags(timeout=4, sleep=2)
        )
        self.assertEqual(tag_lookup.read_durations(function, Base), DurationTags(timeout=1))

    def test_by_hand(self) -> None:
        """An attribute set by hand counts. If it is invalid, the error names its place."""

        def by_hand() -> None:
            pass

        by_hand.timeout = None
        self.assertEqual(tag_lookup.read_durations(by_hand, object), DurationTags())
        by_hand.timeout = 7
        self.assertEqual(tag_lookup.read_durations(by_hand, object), DurationTags(timeout=7))
        by_hand.timeout = "7"
        with self.assertRaisesRegex(
            InvalidTypeError, r"got '7' \(attribute timeout of by_hand, .*test_tags\.py:\d+\)$"
        ):
            tag_lookup.read_durations(by_hand, object)


class LoopScope(TestCase):
    """loop_scope, on classes only."""

    def test_classes(self) -> None:
        """It is read from the class, or else from its bases. Other tags do not matter."""

        @aio.loop_scope("class")
        @aio.timeout(5)
        class Base: ...

        class Inherits(Base): ...

        @aio.loop_scope("run")
        class Own(Base): ...

        for owner, scope in ((Base, "class"), (Inherits, "class"), (Own, "run"), (object, None)):
            self.assertEqual(tag_lookup.read_loop_scope(owner), scope)
        self.assertEqual(tag_lookup.read_durations(None, Own).timeout, 5)

    def test_values(self) -> None:
        """Any other value is an error that names its place."""
        for value, kind in (("package", InvalidValueError), (5, InvalidTypeError)):
            with self.assertRaises(kind) as caught:
                aio.loop_scope(value)  # type: ignore[arg-type]
            self.assertRegex(
                str(caught.exception),
                rf"^loop_scope must be test, class, module or run, got {value!r} "
                r"\(@loop_scope, .*test_tags\.py:\d+\)$",
            )

    def test_functions(self) -> None:
        """It is an error on a function."""
        with self.assertRaisesRegex(
            InvalidTypeError, r"^@loop_scope is for classes, got <function"
        ):

            @aio.loop_scope("class")  # type: ignore[type-var]
            def test() -> None: ...


class Checks(TestCase):
    """The tag ``checks``."""

    def test_merged(self) -> None:
        """The function's modes win over its class's, the outer tag's over the inner one's."""

        @aio.checks(leaked_tasks="fail")
        class Base: ...

        @aio.checks(leaked_timers="warn")
        @aio.checks(leaked_timers="fail", never_awaited="warn")
        class Tagged(Base):
            checks = ["its own"]  # noqa: RUF012 -- it is

            @aio.checks(never_awaited="ignore")
            def test(self) -> None: ...

        self.assertEqual(
            tag_lookup.read_checks(Tagged.test, Tagged),
            {"leaked-tasks": "fail", "leaked-timers": "warn", "never-awaited": "ignore"},
        )
        self.assertEqual(tag_lookup.read_checks(function, object), {})

    def test_invalid(self) -> None:
        """Invalid names and modes are errors that name the place."""
        known = "never_awaited, never_awaited_mocks, lost_exceptions, "
        for modes, message in (
            ({}, f"@checks needs at least one of {known}"),
            ({"leaked": "fail"}, f"unknown check 'leaked': {known}"),
            ({"leaked_tasks": "no"}, "leaked_tasks must be fail, warn or ignore, got 'no' (@ch"),
            ({"leaked_tasks": 5}, "leaked_tasks must be fail, warn or ignore, got 5 (@checks, "),
        ):
            with self.subTest(message), self.assertRaises(InvalidValueError) as caught:
                aio.checks(**modes)
            self.assertIn(message, str(caught.exception))
        with self.assertRaisesRegex(InvalidTypeError, "^@checks is for functions and classes"):
            aio.checks(leaked_tasks="fail")(7)

    def test_by_hand(self) -> None:
        """An attribute that was set by hand is validated when it is read."""

        def by_hand() -> None: ...

        by_hand.checks = 5
        with self.assertRaisesRegex(InvalidTypeError, "^checks must be a dict, got 5 .attribute"):
            tag_lookup.read_checks(by_hand, object)


class Serial(TestCase):
    """The tag ``serial``."""

    def test_function(self) -> None:
        """On a function it is a plain attribute. One that was set by hand counts the same."""

        @aio.serial
        def tagged() -> None: ...

        def by_hand() -> None: ...

        self.assertEqual(vars(tagged), {"serial": True})
        self.assertFalse(tag_lookup.is_coroutine_tagged(tagged))
        self.assertTrue(tag_lookup.read_serial(tagged, object))
        self.assertFalse(tag_lookup.read_serial(by_hand, object))
        for value, meant in ((True, True), (False, False), (None, False)):
            by_hand.serial = value
            self.assertIs(tag_lookup.read_serial(by_hand, object), meant)
        by_hand.serial = "yes"
        with self.assertRaisesRegex(
            InvalidTypeError,
            r"^serial must be True or False, got 'yes' "
            r"\(attribute serial of by_hand, .*test_tags\.py:\d+\)$",
        ):
            tag_lookup.read_serial(by_hand, object)

    def test_class(self) -> None:
        """On a class it holds for all its tests, and for those of its subclasses."""

        @aio.serial
        class Base:
            @aio.serial
            @staticmethod
            def static() -> None: ...

        @aio.timeout(5)
        class Inherits(Base):
            serial = False

            def own(self) -> None: ...

        @aio.timeout(5)
        class Other: ...

        self.assertFalse(hasattr(Base, "serial"))
        self.assertTrue(Base.static.serial)
        for owner, meant in ((Base, True), (Inherits, True), (Other, False), (object, False)):
            self.assertIs(tag_lookup.read_serial(function, owner), meant)
        Inherits.own.serial = False
        self.assertFalse(tag_lookup.read_serial(Inherits().own, Inherits))

    def test_invalid(self) -> None:
        """It is for functions and classes, and has no arguments."""
        for given in (7, "database", True):
            with self.assertRaisesRegex(
                InvalidTypeError,
                rf"^@serial is for functions and classes, got {given!r} "
                r"\(@serial, .*test_tags\.py:\d+\)$",
            ):
                aio.serial(given)


class Exclusive(TestCase):
    """The tag ``exclusive``."""

    def test_function(self) -> None:
        """Several tags add up in one plain attribute."""

        @aio.exclusive("port", "database")
        @aio.exclusive("database")
        def tagged() -> None: ...

        self.assertEqual(vars(tagged), {"exclusive": ("database", "port", "database")})
        self.assertFalse(tag_lookup.is_coroutine_tagged(tagged))
        self.assertEqual(tag_lookup.read_exclusive(tagged, object), {"database": 1, "port": 1})
        self.assertEqual(tag_lookup.read_exclusive(function, object), {})

    def test_by_hand(self) -> None:
        """Set by hand, it may be a string or an iterable of strings."""

        def by_hand() -> None: ...

        for value, keys in (
            ("database", {"database": 1}),
            (["a", "b"], {"a": 1, "b": 1}),
            ({"a"}, {"a": 1}),
            ((), {}),
            (None, {}),
        ):
            by_hand.exclusive = value
            self.assertEqual(tag_lookup.read_exclusive(by_hand, object), keys)
        by_hand.exclusive = "database"
        self.assertEqual(aio.exclusive("port")(by_hand).exclusive, ("database", "port"))
        for value, got in ((5, "5"), (["a", 5], "5")):
            by_hand.exclusive = value
            with self.assertRaisesRegex(
                InvalidTypeError,
                rf"^exclusive must be one or more non-empty strings, got {got} "
                r"\(attribute exclusive of by_hand, .*test_tags\.py:\d+\)$",
            ):
                tag_lookup.read_exclusive(by_hand, object)

    def test_class(self) -> None:
        """The keys of a function, its class and the bases add up, too."""

        @aio.exclusive("a")
        @aio.checks(leaked_tasks="fail")
        class Base: ...

        @aio.exclusive("c")
        @aio.exclusive("b")
        class Tagged(Base):
            exclusive = 5

            @aio.exclusive("d")
            @staticmethod
            def method() -> None: ...

        class Inherits(Tagged): ...

        self.assertEqual(tag_lookup.read_exclusive(function, Base), {"a": 1})
        self.assertEqual(set(tag_lookup.read_exclusive(function, Inherits)), {"a", "b", "c"})
        self.assertEqual(
            set(tag_lookup.read_exclusive(Tagged.method, Tagged)), {"a", "b", "c", "d"}
        )
        aio.exclusive("e")(vars(Tagged)["method"])
        self.assertEqual(Tagged.method.exclusive, ("d", "e"))
        self.assertEqual(tag_lookup.read_checks(function, Inherits), {"leaked-tasks": "fail"})

    def test_invalid(self) -> None:
        """It needs a key. Keys are strings. It is for functions and classes."""
        place = r"\(@exclusive, .*test_tags\.py:\d+\)$"
        self.assertRaises(TypeError, aio.exclusive)
        for given in (5, function, None):
            with self.assertRaisesRegex(
                InvalidTypeError,
                rf"^exclusive must be one or more non-empty strings, got .* {place}",
            ):
                aio.exclusive("database", given)
        for given in ("", " "):
            with self.assertRaisesRegex(
                InvalidValueError, rf"^exclusive must be one .* strings, got '{given}' {place}"
            ):
                aio.exclusive("database", given)
        with self.assertRaisesRegex(
            InvalidTypeError, rf"^@exclusive is for functions and classes, got 7 {place}"
        ):
            aio.exclusive("database")(7)

    def test_at_most(self) -> None:
        """The smallest ``at_most`` of a key wins, also between a function and its class."""

        @aio.exclusive("a", "b", at_most=4)
        class Case:
            @aio.exclusive("a", at_most=2)
            @aio.exclusive("b", at_most=8)
            @aio.exclusive("c", at_most=3)
            def test(self) -> None: ...

            @aio.exclusive("b")
            def alone(self) -> None: ...

        self.assertEqual(tag_lookup.read_exclusive(function, Case), {"a": 4, "b": 4})
        self.assertEqual(tag_lookup.read_exclusive(Case.test, Case), {"a": 2, "b": 4, "c": 3})
        self.assertEqual(tag_lookup.read_exclusive(Case.alone, Case), {"a": 4, "b": 1})

    def test_invalid_at_most(self) -> None:
        """``at_most`` must be a whole number >= 1."""
        place = r"\(@exclusive, .*test_tags\.py:\d+\)$"
        for given, kind in (
            (0, InvalidValueError),
            (-1, InvalidValueError),
            (True, InvalidTypeError),
            (1.5, InvalidTypeError),
            ("2", InvalidTypeError),
        ):
            with self.subTest(given), self.assertRaises(kind) as caught:
                aio.exclusive("database", at_most=given)
            self.assertIs(type(caught.exception), kind)
            self.assertRegex(
                str(caught.exception),
                rf"^at_most must be a whole number >= 1, got {given!r} {place}",
            )


class Retries(TestCase):
    """The tag ``retries``."""

    def test_read(self) -> None:
        """The tag of a function wins over that of its class, also if it is 0."""

        @aio.retries(2)
        class Case:
            @aio.retries(0)
            def never(self) -> None: ...

        class Inherits(Case): ...

        def by_hand() -> None: ...

        by_hand.retries = 5  # type: ignore[attr-defined]
        for what, owner, meant in (
            (function, object, None),
            (function, Case, 2),
            (function, Inherits, 2),
            (Case.never, Case, 0),
            (by_hand, object, 5),
            (by_hand, Case, 5),
        ):
            self.assertEqual(tag_lookup.read_retries(what, owner), meant)
        self.assertFalse(tag_lookup.is_coroutine_tagged(Case.never))

    def test_invalid(self) -> None:
        """It must be a whole number, on a function or a class."""
        rule = "retries must be a whole number >= 0, got"
        place = r"\(@retries, .*test_tags\.py:\d+\)$"
        for given, kind in (
            (-1, InvalidValueError),
            (True, InvalidTypeError),
            (0.5, InvalidTypeError),
            (None, InvalidTypeError),
        ):
            with self.subTest(given), self.assertRaises(kind) as caught:
                aio.retries(given)
            self.assertIs(type(caught.exception), kind)
            self.assertRegex(str(caught.exception), rf"^{rule} {given!r} {place}")
        with self.assertRaisesRegex(
            InvalidTypeError, rf"^@retries is for functions and classes, got 7 {place}"
        ):
            aio.retries(2)(7)

        def by_hand() -> None: ...

        by_hand.retries = "2"  # type: ignore[attr-defined]
        with self.assertRaisesRegex(
            InvalidTypeError,
            rf"^{rule} '2' \(attribute retries of by_hand, .*test_tags\.py:\d+\)$",
        ):
            tag_lookup.read_retries(by_hand, object)


class Whole(TestCase):
    """Whole numbers."""

    def test_limits(self) -> None:
        """The least value is valid. A smaller one is not."""
        self.assertEqual(tag_lookup.validate_whole(3, least=3, name="n", place="here"), 3)
        with self.assertRaisesRegex(
            InvalidValueError, r"^n must be a whole number >= 3, got 2 \(here\)$"
        ):
            tag_lookup.validate_whole(2, least=3, name="n", place="here")
