"""A scenario."""

import asyncio

from nose2.tools import such

with such.A("system") as it:

    @it.has_setup
    async def setup():
        await asyncio.sleep(0.001)
        it.number = 1

    @it.should("pass")
    async def test(case):
        await asyncio.sleep(0.01)
        case.assertEqual(it.number, 1)

    @it.should("fail")
    async def test(case):
        await asyncio.sleep(0.01)
        case.assertEqual(it.number, 2)

    with it.having("more"):

        @it.has_test_setup
        async def setup(case):
            await asyncio.sleep(0.001)
            it.more = 5

        @it.should("pass as well")
        async def test(case):
            await asyncio.sleep(0.01)
            case.assertEqual(it.more, 5)


it.createTests(globals())
