"""nose2_aio.config.settings, nose2_aio.config.options"""

from __future__ import annotations

from unittest import TestCase, mock

from nose2_aio.config import options, settings
from nose2_aio.config.checks import CHECKS
from nose2_aio.errors import InvalidValueError


class Resolve(TestCase):
    """From texts to settings."""

    def test_defaults(self) -> None:
        """The defaults: generators by their body, no time limit, no debug mode."""
        found = settings.resolve({}, {})
        self.assertEqual(
            (found.generators, found.time_limit, found.debug, found.places),
            ("auto", 0, False, {}),
        )

    def test_default_texts(self) -> None:
        """The shown default of each setting is a text that gives the default."""
        defaults = settings.Settings()
        for option in options.OPTIONS:
            text = settings.default_text(option)
            with self.subTest(option.key, text=text):
                found = settings.resolve({} if text == "none" else {option.key: text}, {})
                for check in CHECKS:
                    self.assertEqual(found.mode(check), defaults.mode(check))
                if hasattr(defaults, option.name):
                    self.assertEqual(getattr(found, option.name), getattr(defaults, option.name))

    def test_order(self) -> None:
        """The command line wins over the file. The place of each value is recorded."""
        found = settings.resolve(
            {"generators": "nose2", "time-limit": "5", "always-on": "no"},
            {"time-limit": "2.5", "debug": "True"},
        )
        self.assertEqual(found.generators, "nose2")
        self.assertEqual(found.time_limit, 2.5)
        self.assertTrue(found.debug)
        self.assertEqual(
            found.places,
            {
                "generators": "[aio] generators",
                "time_limit": "--aio-time-limit",
                "debug": "--aio-debug",
            },
        )

    def test_workers(self) -> None:
        """By default tests run once, in one process. ``auto`` means one worker for each core."""
        found = settings.resolve({}, {})
        self.assertEqual(
            (found.workers, found.worker_start, found.retries, found.flaky, found.repeat),
            (0, "auto", 0, "fail", 1),
        )
        texts = {"workers": " 4 ", "worker-start": "spawn", "retries": "2", "repeat": "3"}
        found = settings.resolve(texts, {"flaky": "pass"})
        self.assertEqual(
            (found.workers, found.worker_start, found.retries, found.flaky, found.repeat),
            (4, "spawn", 2, "pass", 3),
        )
        with mock.patch("os.sched_getaffinity", return_value={0, 3, 5}, create=True):
            self.assertEqual(settings.resolve({"workers": "auto"}, {}).workers, 3)

    def test_cores(self) -> None:
        """If the cores that a process may use are not known, ``auto`` counts all cores."""
        with mock.patch.object(options, "os", mock.Mock(spec=["cpu_count"])) as system:
            system.cpu_count.return_value = 6
            self.assertEqual(settings.resolve({"workers": "auto"}, {}).workers, 6)
            system.cpu_count.return_value = None
            self.assertEqual(settings.resolve({"workers": "auto"}, {}).workers, 1)

    def test_frozen(self) -> None:
        """Settings can't be changed."""
        with self.assertRaises(AttributeError):
            settings.resolve({}, {}).debug = True

    def test_words(self) -> None:
        """Booleans are the words that nose2 accepts, in any case. Others are an error."""
        for word in ("1", "t", "True", "ON", "yes", "y"):
            self.assertTrue(settings.resolve({"debug": word}, {}).debug)
        for word in ("0", "f", "False", "OFF", "no", "n"):
            self.assertFalse(settings.resolve({"debug": word}, {}).debug)

    def test_invalid(self) -> None:
        """An error names the invalid value, its place, and the valid values."""
        for file, command_line, message in (
            (
                {"generators": "all"},
                {},
                "generators must be auto, coroutine or nose2, got 'all' ([aio] generators)",
            ),
            (
                {},
                {"generators": ""},
                "generators must be auto, coroutine or nose2, got '' (--aio-generators)",
            ),
            (
                {"time-limit": "soon"},
                {},
                "time-limit must be a finite number of seconds >= 0, got 'soon' ([aio] time-limit)",
            ),
            (
                {"time-limit": "soon"},
                {"time-limit": "5"},
                "time-limit must be a finite number of seconds >= 0, got 'soon' ([aio] time-limit)",
            ),
            (
                {"time-limit": "-1"},
                {},
                "time-limit must be a finite number of seconds >= 0, got '-1' ([aio] time-limit)",
            ),
            (
                {},
                {"time-limit": "inf"},
                "time-limit must be a finite number of seconds >= 0, got 'inf' (--aio-time-limit)",
            ),
            (
                {"time-limit": "5 s"},
                {},
                "time-limit must be a finite number of seconds >= 0, got '5 s' ([aio] time-limit)",
            ),
            (
                {},
                {"time-limit": "1_0"},
                "time-limit must be a finite number of seconds >= 0, got '1_0' (--aio-time-limit)",
            ),
            (
                {"grace": "-1"},
                {},
                "grace must be a finite number of seconds >= 0, got '-1' ([aio] grace)",
            ),
            (
                {"leaked-tasks": "forbid"},
                {},
                "leaked-tasks must be fail, warn or ignore, got 'forbid' ([aio] leaked-tasks)",
            ),
            (
                {"deadlocks": "warn"},
                {},
                "deadlocks must be fail or ignore, got 'warn' ([aio] deadlocks)",
            ),
            (
                {"workers": "-1"},
                {},
                "workers must be a whole number >= 0 or auto, got '-1' ([aio] workers)",
            ),
            (
                {},
                {"workers": "many"},
                "workers must be a whole number >= 0 or auto, got 'many' (--aio-workers)",
            ),
            (
                {"workers": "1.5"},
                {},
                "workers must be a whole number >= 0 or auto, got '1.5' ([aio] workers)",
            ),
            (
                {"worker-start": "thread"},
                {},
                "worker-start must be auto, fork or spawn, got 'thread' ([aio] worker-start)",
            ),
            (
                {},
                {"retries": "-1"},
                "retries must be a whole number >= 0, got '-1' (--aio-retries)",
            ),
            ({"flaky": "maybe"}, {}, "flaky must be fail or pass, got 'maybe' ([aio] flaky)"),
            ({"repeat": "0"}, {}, "repeat must be a whole number >= 1, got '0' ([aio] repeat)"),
            ({}, {"repeat": "-2"}, "repeat must be a whole number >= 1, got '-2' (--aio-repeat)"),
            (
                {"concurrency": "2"},
                {},
                (
                    "unknown key 'concurrency' in [aio]: "
                    f"known: always-on, {', '.join(option.key for option in options.OPTIONS)}"
                ),
            ),
            ({"strict": "very"}, {}, "strict must be true or false, got 'very' ([aio] strict)"),
            ({"debug": "maybe"}, {}, "debug must be true or false, got 'maybe' ([aio] debug)"),
            (
                {"always-on": "maybe"},
                {},
                "always-on must be true or false, got 'maybe' ([aio] always-on)",
            ),
            (
                {"time_limit": "5"},
                {},
                "unknown key 'time_limit' in [aio]: did you mean 'time-limit'?",
            ),
            (
                {"generator": "5"},
                {},
                "unknown key 'generator' in [aio]: did you mean 'generators'?",
            ),
            (
                {"leaked-task": "warn"},
                {},
                "unknown key 'leaked-task' in [aio]: did you mean 'leaked-tasks'?",
            ),
            (
                {"colour": "red"},
                {},
                (
                    "unknown key 'colour' in [aio]: "
                    f"known: always-on, {', '.join(option.key for option in options.OPTIONS)}"
                ),
            ),
        ):
            with self.subTest(message), self.assertRaises(InvalidValueError) as caught:
                settings.resolve(file, command_line)
            self.assertEqual(str(caught.exception), message)


class Order(TestCase):
    """The setting ``shuffle``."""

    def test_seed(self) -> None:
        """A number is a seed. Without a number, the seed is random."""
        self.assertIsNone(settings.resolve({}, {}).shuffle)
        for text, seed in (("0", 0), ("1", 1), (str(2**40), 2**40)):
            self.assertEqual(settings.resolve({"shuffle": text}, {}).shuffle, seed)
            self.assertEqual(settings.resolve({"shuffle": "no"}, {"shuffle": text}).shuffle, seed)
        for file, command_line in (
            ({"shuffle": "true"}, {}),
            ({"shuffle": "Yes"}, {}),
            ({"shuffle": "no"}, {"shuffle": "true"}),
        ):
            drawn = {settings.resolve(file, command_line).shuffle for _ in range(8)}
            self.assertGreater(len(drawn), 1)
            self.assertTrue(all(0 <= seed < 2**32 for seed in drawn))
        self.assertIsNone(settings.resolve({"shuffle": "off"}, {}).shuffle)
        self.assertIsNone(settings.resolve({"shuffle": "true"}, {"shuffle": "false"}).shuffle)

    def test_no_seed(self) -> None:
        """Other texts are an error. On the command line, the text may be the name of a test."""
        rule = "shuffle must be true, false or a seed, a whole number >= 0, got"
        hint = "write --aio-shuffle=SEED, or put --aio-shuffle after the names of tests"
        for text in ("-1", "1.5", "soon"):
            with self.assertRaises(InvalidValueError) as caught:
                settings.resolve({"shuffle": text}, {})
            self.assertEqual(str(caught.exception), f"{rule} {text!r} ([aio] shuffle)")
        for text in ("-1", "test_it", "on", "t", "n"):
            with self.assertRaises(InvalidValueError) as caught:
                settings.resolve({}, {"shuffle": text})
            self.assertEqual(str(caught.exception), f"{rule} {text!r} (--aio-shuffle): {hint}")
