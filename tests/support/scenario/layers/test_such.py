"""All fixtures of a scenario, async; some sync ones between."""

from nose2.tools import such
from recorder import note


class Used:
    description = "used"

    @classmethod
    async def setUp(cls):
        note("Used.setUp")

    @classmethod
    async def tearDown(cls):
        note("Used.tearDown")


with such.A("thing") as it:
    it.uses(Used)

    @it.has_setup
    async def set_up():
        note("setup one")

    @it.has_setup
    async def set_up_too(scenario):
        scenario.ready = True
        note("setup two")

    @it.has_teardown
    async def tear_down():
        note("teardown")

    @it.has_test_setup
    async def test_set_up(case):
        case.number = 1
        note("test setup")

    @it.has_test_teardown
    async def test_tear_down():
        note("test teardown")

    @it.should("work")
    async def works(case):
        case.assertEqual(case.number, 1)
        note("test")

    @it.should("work without waiting")
    def works_too():
        note("test, sync")

    with it.having("a part"):

        @it.has_setup
        def set_up_part():
            note("part's setup")

        @it.has_test_setup
        async def test_set_up_part(case):
            note("part's test setup")

        @it.has_teardown
        async def tear_down_part():
            note("part's teardown")

        @it.should("work as well")
        async def part_works(case):
            note("part's test")

    it.createTests(globals())
