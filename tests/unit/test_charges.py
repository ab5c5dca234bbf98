"""nose2_aio.charges"""

from __future__ import annotations

from unittest import TestCase, mock

from nose2_aio.accounts import Account
from nose2_aio.adapters import Adapter, stepping_in
from nose2_aio.charges import _OFTEN, Charges
from nose2_aio.fixtures import Fixtures
from nose2_aio.interrupts import Interrupts
from nose2_aio.scopes import Scopes
from nose2_aio.settings import Settings
from nose2_aio.verdicts import Verdicts


class Charged(TestCase):
    """What is charged to a test."""

    async def nothing(self) -> None:
        """Do nothing."""

    def test_late(self) -> None:
        """What nobody can be charged with is told of at the end; a wrong tag is no matter."""

        class Case(TestCase):
            def test(self) -> None: ...

        Case.test.checks = 5  # type: ignore[attr-defined]
        settings = Settings(time_limit=5)
        scopes = Scopes(settings)
        fixtures = Fixtures(settings, scopes, Interrupts())
        verdicts = Verdicts(settings)
        charges = Charges(settings, verdicts)
        adapter = Adapter(settings, scopes, fixtures, charges, Account(settings, is_kept=False))
        self.addCleanup(scopes.rules.keeper.close)
        first, second = self.nothing(), self.nothing()
        with stepping_in(lambda: adapter):
            self.assertEqual(adapter.running(), ("", 0.0))
            adapter.attach(Case("test"))
            charges.note_unawaited(first, is_late=False)
            adapter.attach(Case("test"))
            charges.note_unawaited(second, is_late=True)
        first.close()
        second.close()
        names = [told.name.rpartition(".")[2] for told in verdicts.told]
        self.assertEqual(names, ["test", "nobody knows whose"])
        self.assertIsNone(scopes.rules.keeper.deadline)

    def test_ignored(self) -> None:
        """Where nobody wants to know of what is lost, nothing is collected."""
        settings = Settings(modes={"never-awaited": "ignore", "never-awaited-mocks": "ignore"})
        charges = Charges(settings, Verdicts(settings))
        with mock.patch("gc.collect") as collect:
            charges.collect_rest()
            charges.begin_awaiting()
            charges.collect_young()
            charges.end()
        collect.assert_not_called()

    def test_beside(self) -> None:
        """Beside others only what is young is the test's own; what is older is another's, or not.

        It is collected now and then, or it would be kept, and ahead of a test that isn't beside.
        """
        settings = Settings()
        charges = Charges(settings, Verdicts(settings))
        charges.is_beside = lambda _: True
        charges.has_awaited = True
        owned: list[tuple[int, bool]] = []
        with mock.patch("gc.collect", lambda which: owned.append((which, charges._is_owned))):
            for _ in range(2 * _OFTEN):
                charges.end()
            self.assertEqual(owned, 2 * [*_OFTEN * [(0, True)], (1, False)])
            owned.clear()
            charges.begin_awaiting()
            self.assertEqual(owned, [])
            charges.is_beside = lambda _: False
            charges.begin_awaiting()
            charges.end()
            charges.begin_awaiting()
        self.assertEqual(owned, [(1, False), (1, True)])
