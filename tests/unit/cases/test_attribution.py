"""nose2_aio.cases.attribution"""

from __future__ import annotations

from unittest import TestCase, mock

from nose2_aio.cases import hooks
from nose2_aio.cases.adapter import Adapter
from nose2_aio.cases.attribution import Attribution
from nose2_aio.cases.fixture_calls import FixtureCaller
from nose2_aio.cases.scopes import Scopes
from nose2_aio.config.settings import Settings
from nose2_aio.reporting.check_results import CheckResults
from nose2_aio.reporting.timings import Timings
from nose2_aio.running.interrupts import Interrupts


class Attributed(TestCase):
    """Findings attributed to a test."""

    async def nothing(self) -> None:
        """Do nothing."""

    def test_late(self) -> None:
        """Findings without a test are reported at the end. A wrong tag doesn't matter."""

        class Case(TestCase):
            def test(self) -> None: ...

        Case.test.checks = 5  # type: ignore[attr-defined]
        settings = Settings(time_limit=5)
        scopes = Scopes(settings)
        fixtures = FixtureCaller(settings, scopes, Interrupts())
        check_results = CheckResults(settings)
        attribution = Attribution(settings, check_results)
        adapter = Adapter(
            settings, scopes, fixtures, attribution, Timings(settings, is_recorded=False)
        )
        self.addCleanup(scopes.options.time_limits.close)
        first, second = self.nothing(), self.nothing()
        with hooks.replaced(adapter):
            self.assertIsNone(adapter.running())
            adapter.attach(Case("test"))
            attribution.note_unawaited(first, is_late=False)
            adapter.attach(Case("test"))
            attribution.note_unawaited(second, is_late=True)
        first.close()
        second.close()
        names = [entry.name.rpartition(".")[2] for entry in check_results.entries]
        self.assertEqual(names, ["test", "unknown test"])
        self.assertIsNone(scopes.options.time_limits.deadline)

    def test_ignored(self) -> None:
        """If both never-awaited checks are off, no garbage is collected."""
        settings = Settings(modes={"never-awaited": "ignore", "never-awaited-mocks": "ignore"})
        attribution = Attribution(settings, CheckResults(settings))
        with mock.patch("gc.collect") as collect:
            attribution.begin_coroutine()
            attribution.end()
        collect.assert_not_called()

    def test_collections(self) -> None:
        """Before a test awaits, the garbage of others is collected. At its end, its own is.

        The first collection is left out if the test before awaited too, and has the same class:
        then its own collection was the last.
        """

        class Case(TestCase):
            def test(self) -> None: ...

        class Other(Case): ...

        settings = Settings()
        attribution = Attribution(settings, CheckResults(settings))
        for case, awaits, collections in (
            (Case, True, 2),
            (Case, True, 1),
            (Case, False, 0),
            (Case, True, 2),
            (Other, True, 2),
            (Other, True, 1),
        ):
            with mock.patch("gc.collect") as collect:
                attribution.begin(case("test"))
                if awaits:
                    attribution.begin_coroutine()
                attribution.end()
            self.assertEqual(collect.call_count, collections)
