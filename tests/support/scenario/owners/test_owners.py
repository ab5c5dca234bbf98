# Classes that run their own coroutine tests, each by the technique of a public project.
# Each test prints the loop it ran on by the name that its class gave it.
import asyncio
import functools
import inspect
import unittest


def loop_name():
    return getattr(asyncio.get_running_loop(), "name", "somebody else's")


def run_by_owner(coroutine, name):
    loop = asyncio.new_event_loop()
    loop.name = name
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


class ByGetAttribute(unittest.TestCase):
    """Wraps coroutine functions when they are looked up (aiounittest)."""

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        if name.startswith("test_") and inspect.iscoroutinefunction(value):
            return lambda *args: run_by_owner(value(*args), "get attribute")
        return value

    async def test_loop(self):
        self.assertEqual(loop_name(), "get attribute")

    async def test_fails(self):
        self.fail(loop_name())


class OnInstance(unittest.TestCase):
    """Puts a synchronous wrapper on the instance (ncplib)."""

    def __init__(self, name):
        super().__init__(name)
        method = getattr(self, name)
        setattr(self, name, lambda: run_by_owner(method(), "on instance"))

    async def test_loop(self):
        self.assertEqual(loop_name(), "on instance")

    async def test_fails(self):
        self.fail(loop_name())


class Meta(type):
    """Wraps coroutine functions when the class is made (asyncpg, aiocouchdb)."""

    def __new__(cls, name, bases, members):
        for key, value in list(members.items()):
            if key.startswith("test_") and inspect.iscoroutinefunction(value):
                members[key] = cls.wrapped(value)
        return super().__new__(cls, name, bases, members)

    @staticmethod
    def wrapped(function):
        @functools.wraps(function)
        def wrapper(self):
            return run_by_owner(function(self), "meta")

        return wrapper


class ByMeta(unittest.TestCase, metaclass=Meta):
    async def test_loop(self):
        self.assertEqual(loop_name(), "meta")

    async def test_fails(self):
        self.fail(loop_name())


def gen_test(function):
    """Hides a generator function that only it knows how to drive (tornado)."""

    @functools.wraps(function)
    def wrapper(self):
        generator = function(self)
        assert not inspect.isawaitable(generator)
        sent = None
        try:
            while True:
                awaitable = generator.send(sent)
                sent = run_by_owner(awaitable, "gen test")
        except StopIteration:
            pass

    return wrapper


class ByDecorator(unittest.TestCase):
    @gen_test
    def test_loop(self):
        self.assertEqual((yield self.name()), "gen test")

    @gen_test
    def test_delegates(self):
        yield from self.steps()

    @gen_test
    def test_fails(self):
        self.fail((yield self.name()))

    def steps(self):
        self.assertEqual((yield self.name()), "gen test")

    async def name(self):
        return loop_name()


class OwnSeam(unittest.IsolatedAsyncioTestCase):
    """Overrides the hook, and sets a task factory (later)."""

    def _callTestMethod(self, method):
        made = []

        def factory(loop, coroutine, **options):
            task = asyncio.Task(coroutine, loop=loop, **options)
            made.append(task)
            return task

        loop = self._asyncioRunner.get_loop()
        loop.name = "own hook"
        loop.set_task_factory(factory)
        super()._callTestMethod(method)
        assert made

    async def test_loop(self):
        self.assertEqual(loop_name(), "own hook")
        await asyncio.create_task(asyncio.sleep(0))

    async def test_fails(self):
        self.fail(loop_name())


class SharedRunner(unittest.IsolatedAsyncioTestCase):
    """Shares one loop between its tests (Tortoise)."""

    runner = None

    def _setupAsyncioRunner(self):
        if SharedRunner.runner is None:
            SharedRunner.runner = asyncio.Runner()
            SharedRunner.runner.get_loop().name = "shared"
            unittest.addModuleCleanup(SharedRunner.runner.close)
        self._asyncioRunner = SharedRunner.runner

    def _tearDownAsyncioRunner(self):
        self._asyncioRunner = None

    async def test_loop(self):
        self.assertEqual(loop_name(), "shared")

    async def test_same_loop(self):
        self.assertEqual(loop_name(), "shared")

    async def test_fails(self):
        self.fail(loop_name())


class Isolated(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.events = ["setUp"]

    async def asyncSetUp(self):
        self.events.append("asyncSetUp")
        self.loop = asyncio.get_running_loop()
        self.addAsyncCleanup(self.clean)

    async def clean(self):
        self.assertEqual(self.events[-2:], ["asyncTearDown", "tearDown"])

    async def asyncTearDown(self):
        self.events.append("asyncTearDown")

    def tearDown(self):
        self.events.append("tearDown")

    async def test_loop(self):
        self.assertIs(asyncio.get_running_loop(), self.loop)
        self.assertTrue(self.loop.get_debug())
        self.assertEqual(self.events, ["setUp", "asyncSetUp"])

    async def test_fails(self):
        self.fail(self.events)

    async def test_errs(self):
        raise LookupError

    async def test_skips(self):
        self.skipTest("now")

    @unittest.expectedFailure
    async def test_expected(self):
        self.fail()

    async def test_subtests(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)

    def test_sync(self):
        self.assertEqual(self.events, ["setUp", "asyncSetUp"])
