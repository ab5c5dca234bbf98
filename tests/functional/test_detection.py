"""Every kind of coroutine test runs for real."""

from __future__ import annotations

from unittest import TestCase

from tests.runs import SCENARIOS, Project, Run, nose2

KINDS = SCENARIOS / "kinds"

BY_NAME = {
    "test_kinds.Base.test_overridden": "FAIL",
    "test_kinds.Derived.test_overridden": "ok",
    "test_kinds.Case.test_params:1": "ok",
    "test_kinds.Case.test_params:2": "FAIL",
    "test_kinds.Case.test_generator_params:1": "ok",
    "test_kinds.Case.test_generator_params:2": "FAIL",
    "test_kinds.Case.test_yields:1": "ok",
    "test_kinds.Case.test_yields:2": "FAIL",
    "test_kinds.Isolated.test_params:1": "ok",
    "test_kinds.Isolated.test_params:2": "FAIL",
    "test_kinds.TestClass.test_params:1": "ok",
    "test_kinds.TestClass.test_params:2": "FAIL",
    "test_kinds.TestClass.test_yields:1": "ok",
    "test_kinds.TestClass.test_yields:2": "FAIL",
    "test_kinds.test_params:1": "ok",
    "test_kinds.test_params:2": "FAIL",
    "test_kinds.test_yields:1": "ok",
    "test_kinds.test_yields:2": "FAIL",
    "test_kinds.test_yields:3": "ok",
    "test_kinds.test_yields:4": "FAIL",
    "test_kinds.test_yields:5": "FAIL",
}
BY_ENDING = {
    "passes": "ok",
    "fails": "FAIL",
    "errs": "ERROR",
    "skipped": "skipped",
    "unexpected": "unexpected success",
    "expected": "expected failure",
}


def expected(name: str) -> str:
    """Return the outcome that the scenario expects of a test."""
    return BY_NAME.get(name) or BY_ENDING[name.rpartition("_")[2]]


def without_skipped(run: Run) -> dict[str, str]:
    """Return the outcomes without those of skipped tests, which Python 3.12.1 doesn't start."""
    return {name: outcome for name, outcome in run.outcomes.items() if outcome != "skipped"}


class Kinds(TestCase):
    """The scenario with all kinds of tests."""

    def test_discovered(self) -> None:
        """Each discovered test has the outcome that its name says."""
        run = nose2("-v", folder=KINDS)
        self.assertEqual(run.outcomes, {name: expected(name) for name in run.outcomes})
        self.assertLessEqual(set(BY_NAME), set(run.outcomes))
        self.assertEqual(len(run.outcomes), run.ran)

    def test_alone_most_pass_unseen(self) -> None:
        """Without the plugin, most tests of the scenario pass without running."""
        outcomes = nose2("-v", "test_kinds.Derived", folder=KINDS, plugin=False).outcomes
        self.assertEqual(outcomes["test_kinds.Derived.test_mixin_fails"], "ok")
        self.assertEqual(outcomes["test_kinds.Derived.test_inherited_fails"], "ok")

    def test_named(self) -> None:
        """Tests named by module, class, test or index have the same outcomes."""
        names = [
            "test_kinds.Derived",
            "test_kinds.Case.test_generator_fails",
            "test_kinds.Case.test_patched_generator_fails",
            "test_kinds.Case.test_params:2",
            "test_kinds.Case.test_yields:2",
            "test_kinds.Isolated.test_generator_fails",
            "test_kinds.TestClass.test_generator_fails",
            "test_kinds.TestClass.test_yields:2",
            "test_kinds.test_generator_fails",
            "test_kinds.test_params:1",
            "test_kinds.test_yields:4",
        ]
        run = nose2("-v", *names, folder=KINDS)
        self.assertEqual(run.outcomes, {name: expected(name) for name in run.outcomes})
        self.assertEqual(run.ran, 14)

    def test_workers(self) -> None:
        """In two worker processes, outcomes and reports are the same."""
        spread = nose2("-v", "--plugin", "nose2.plugins.mp", "-N", "2", "test_kinds", folder=KINDS)
        alone = nose2("-v", "test_kinds", folder=KINDS)
        self.maxDiff = None
        self.assertEqual(without_skipped(spread), without_skipped(alone))
        self.assertEqual(sorted(spread.reports), sorted(alone.reports))


class Named(TestCase):
    """Tests that are named on the command line."""

    def test_objects(self) -> None:
        """nose2 resolves a name that leads through any object, as without the plugin."""
        project = Project(
            self,
            test_it="""
            class Slots:
                __slots__ = ()
                def test_it(self): pass

            obj = Slots()
            """,
        )
        name = "test_it.obj.test_it"
        self.assertEqual(
            project.nose2(name).returncode, project.nose2(name, plugin=False).returncode
        )

    def test_imported_as_often(self) -> None:
        """A module that can't be imported is tried as often as without the plugin."""
        project = Project(self, test_it="print('imported')\nraise LookupError")
        counts = {
            project.nose2("test_it.test_it", plugin=plugin).output.count("imported\n")
            for plugin in (True, False)
        }
        self.assertEqual(len(counts), 1)

    def test_class_tags(self) -> None:
        """A tag on a test class applies to the tests that its generators yield."""
        project = Project(
            self,
            test_it="""
            import asyncio
            import nose2_aio as aio

            @aio.timeout(0.01)
            class TestClass:
                def test_yields(self):
                    yield self.check, 5

                async def check(self, seconds):
                    await asyncio.sleep(seconds)
            """,
        )
        self.assertIn("TimeLimitError", project.nose2().output)


class Scenarios(TestCase):
    """``such`` scenarios."""

    def test_cases(self) -> None:
        """Cases of a scenario run, with and without an argument, as generators and decorated."""
        project = Project(
            self,
            test_such="""
            import asyncio
            from nose2.tools import such
            from nose2.tools.params import params
            import nose2_aio as aio

            with such.A("scenario") as it:
                @it.should("fail with the case")
                async def test(case):
                    await asyncio.sleep(0)
                    case.fail()

                @it.should("fail without it")
                async def test():
                    assert False

                @it.should("fail as a generator")
                def test(case):
                    yield from asyncio.sleep(0)
                    case.fail()

                @it.should("take parameters")
                @params(1, 2)
                async def test(case, number):
                    case.assertEqual(number, 1)

                @it.should("call back")
                @aio.run_forever(timeout=0)
                def test(case):
                    async def callback(same):
                        assert same is case
                        case.fail()
                    return callback

                @it.should("pass")
                async def test(case):
                    case.assertEqual(await asyncio.sleep(0, 5), 5)

                it.createTests(globals())
            """,
        )
        run = project.nose2("-v", "--plugin", "nose2.plugins.layers")
        outcomes = {name.rpartition(": ")[2]: outcome for name, outcome in run.outcomes.items()}
        self.assertEqual(
            outcomes,
            {
                "should fail with the case": "FAIL",
                "should fail without it": "FAIL",
                "should fail as a generator": "FAIL",
                "should take parameters:1": "ok",
                "should take parameters:2": "FAIL",
                "should call back": "FAIL",
                "should pass": "ok",
            },
        )


class Generators(TestCase):
    """Which generator functions are coroutine tests."""

    def setUp(self) -> None:
        """Create a module with a plain ``yield``, and with a ``yield from`` that delegates."""
        self.project = Project(
            self,
            test_generators="""
            import asyncio

            def check(number):
                assert number

            def test_plain():
                yield check, 1

            def cases():
                yield check, 1

            def test_delegating():
                yield from cases()

            def test_coroutine():
                yield from asyncio.sleep(0)
            """,
        )

    def outcomes(self, *arguments: str) -> dict[str, str]:
        """Run the project and return the outcomes."""
        return self.project.nose2("-v", *arguments).outcomes

    def test_auto(self) -> None:
        """``auto``: a plain ``yield`` makes a test generator. Others are coroutine tests."""
        outcomes = self.outcomes()
        self.assertEqual(outcomes["test_generators.test_plain:1"], "ok")
        self.assertEqual(outcomes["test_generators.test_coroutine"], "ok")
        self.assertEqual(outcomes["test_generators.test_delegating"], "ERROR")

    def test_nose2(self) -> None:
        """``nose2``: all of them generate tests."""
        outcomes = self.outcomes("--aio-generators", "nose2", "test_generators.test_delegating")
        self.assertEqual(outcomes, {"test_generators.test_delegating:1": "ok"})

    def test_coroutine(self) -> None:
        """``coroutine``: all of them are coroutine tests. One that isn't fails and says so."""
        outcomes = self.outcomes("--aio-generators=coroutine")
        self.assertEqual(outcomes["test_generators.test_coroutine"], "ok")
        self.assertEqual(outcomes["test_generators.test_plain"], "ERROR")
