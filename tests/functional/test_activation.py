"""The ways to load the plugin, its switches, and how to turn it off."""

from __future__ import annotations

from unittest import TestCase

from nose2.tools import params

from tests.runs import Project

FAILING = """
import asyncio

async def test_fails():
    await asyncio.sleep(0)
    raise AssertionError
"""


class Loading(TestCase):
    """Where the plugin is named."""

    def setUp(self) -> None:
        """Create a project with a test that nose2 alone passes by mistake."""
        self.project = Project(self, test_it=FAILING)

    def assert_runs(self, runs: bool, *arguments: str) -> None:
        """Assert that the test runs and fails, or that it passes without running."""
        run = self.project.nose2("-v", *arguments, plugin=False)
        self.assertEqual(run.outcomes, {"test_it.test_fails": "FAIL" if runs else "ok"}, run.output)

    def test_not_at_all(self) -> None:
        """Without the plugin, the coroutine test passes without running."""
        self.assert_runs(False)

    def test_command_line(self) -> None:
        """``--plugin nose2_aio`` loads the plugin."""
        self.assert_runs(True, "--plugin", "nose2_aio")

    def test_unittest_cfg(self) -> None:
        """``plugins`` in unittest.cfg loads the plugin."""
        self.project.write("unittest.cfg", "[unittest]\nplugins = nose2_aio\n")
        self.assert_runs(True)

    def test_nose2_cfg(self) -> None:
        """``plugins`` in nose2.cfg loads the plugin together with others."""
        self.project.write("nose2.cfg", "[unittest]\nplugins = nose2.plugins.mp\n  nose2_aio\n")
        self.assert_runs(True)

    def test_pyproject(self) -> None:
        """``plugins`` in pyproject.toml is a string. Settings there have TOML's own types."""
        self.project.write(
            "pyproject.toml",
            """
            [tool.nose2.unittest]
            plugins = "nose2_aio"
            [tool.nose2.aio]
            debug = true
            time-limit = 5
            """,
        )
        self.assert_runs(True)

    def test_off_and_on(self) -> None:
        """``always-on = false`` turns it off and ``--aio`` on again, also in workers."""
        self.project.write(
            "unittest.cfg", "[unittest]\nplugins = nose2_aio\n[aio]\nalways-on = false\n"
        )
        self.assert_runs(False)
        self.assert_runs(True, "--aio")
        self.assert_runs(True, "--aio", "--plugin", "nose2.plugins.mp", "-N", "2")

    def test_off_on_the_command_line(self) -> None:
        """``--no-aio`` turns the plugin off, whatever the file says."""
        self.project.write("unittest.cfg", "[unittest]\nplugins = nose2_aio\n")
        self.assert_runs(False, "--no-aio")
        self.project.write(
            "unittest.cfg", "[unittest]\nplugins = nose2_aio\n[aio]\nalways-on = false\n"
        )
        self.assert_runs(False, "--no-aio")

    def test_twice(self) -> None:
        """The plugin can be named both on the command line and in the file."""
        self.project.write("unittest.cfg", "[unittest]\nplugins = nose2_aio\n")
        self.assert_runs(True, "--plugin", "nose2_aio")


class Main(TestCase):
    """``python -m nose2_aio``."""

    def setUp(self) -> None:
        """Create a project with a test that fails, and no configuration."""
        self.project = Project(self, test_it=FAILING)

    @params(
        "",
        "--plugin nose2_aio",
        "--aio-workers 2 --aio-worker-start fork",
        "--aio-workers 2 --aio-worker-start spawn",
        "--plugin nose2.plugins.mp -N 2",
        "test_it.test_fails",
    )
    def test_runs(self, arguments: str) -> None:
        """It loads the plugin, and takes all of nose2's arguments."""
        run = self.project.python("-m", "nose2_aio", "-v", *arguments.split())
        self.assertEqual(run.outcomes, {"test_it.test_fails": "FAIL"}, run.output)
        self.assertEqual((run.ran, run.returncode), (1, 1))

    def test_configured(self) -> None:
        """The plugin may be named in the configuration, and turned off there."""
        config = "[unittest]\nplugins = nose2_aio\n[aio]\nalways-on = {}\n"
        for is_on, outcome in (("true", "FAIL"), ("false", "ok")):
            self.project.write("unittest.cfg", config.format(is_on))
            run = self.project.python("-W", "ignore", "-m", "nose2_aio", "-v")
            self.assertEqual(run.outcomes, {"test_it.test_fails": outcome}, run.output)

    def test_excluded(self) -> None:
        """``--exclude-plugin`` wins, as it does over a configuration that names the plugin."""
        arguments = ("-m", "nose2_aio", "-v", "--exclude-plugin", "nose2_aio")
        run = self.project.python("-W", "ignore", *arguments)
        self.assertEqual(run.outcomes, {"test_it.test_fails": "ok"}, run.output)

    def test_help(self) -> None:
        """``--help`` shows the arguments of nose2 and the switches of the plugin."""
        run = self.project.python("-m", "nose2_aio", "--help")
        self.assertIn("--start-dir", run.output)
        self.assertIn("--aio-time-limit SECONDS", run.output)


class Switches(TestCase):
    """Settings on the command line and in the file."""

    def test_help(self) -> None:
        """``--help`` shows a switch for every setting."""
        run = Project(self).nose2("--help")
        for switch in (
            "--aio, --no-aio ",
            "--aio-generators",
            "--aio-time-limit SECONDS",
            "--aio-debug",
        ):
            self.assertIn(f"  {switch}", run.output)

    def test_command_line_wins(self) -> None:
        """The command line wins over the file, also in worker processes."""
        project = Project(
            self,
            test_it="""
            import asyncio

            async def test_debug_is_off():
                assert not asyncio.get_running_loop().get_debug()

            async def test_sleeps():
                await asyncio.sleep(0.05)
            """,
        )
        project.write("unittest.cfg", "[aio]\ndebug = yes\ntime-limit = 0.01\n")
        self.assertEqual(project.nose2("-v").output.count("... FAIL"), 1)
        self.assertEqual(project.nose2("-v").output.count("... ERROR"), 1)
        wins = ("--no-aio-debug", "--aio-time-limit=5")
        for arguments in (wins, (*wins, "--plugin", "nose2.plugins.mp", "-N", "2")):
            run = project.nose2("-v", *arguments)
            self.assertEqual(set(run.outcomes.values()), {"ok"}, run.output)

    def test_debug(self) -> None:
        """``--aio-debug`` turns on the debug mode of asyncio."""
        project = Project(
            self,
            test_it="""
            import asyncio

            async def test_debug():
                assert asyncio.get_running_loop().get_debug()
            """,
        )
        self.assertEqual(project.nose2().returncode, 1)
        self.assertEqual(project.nose2("--aio-debug").returncode, 0)

    def test_defaults_section(self) -> None:
        """Keys of [DEFAULT] are not reported as unknown. [aio] wins over them."""
        project = Project(
            self, test_it="import asyncio\nasync def test_it(): await asyncio.sleep(0.1)"
        )
        defaults = "[DEFAULT]\nhome = here\ntime-limit = 0.01\n"
        project.write("unittest.cfg", f"{defaults}[aio]\ntime-limit = 0.01\n")
        self.assertEqual(project.nose2().returncode, 1)
        project.write("unittest.cfg", f"{defaults}[aio]\ntime-limit = 5\n")
        self.assertEqual(project.nose2().returncode, 0)
