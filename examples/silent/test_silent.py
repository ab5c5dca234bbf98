"""All of these tests fail. nose2 alone reports them as ok, because it never runs them."""

import asyncio
import unittest

import nose2_aio as aio


class Account(unittest.TestCase):
    async def test_withdraw(self):
        balance = await withdraw(100, 30)
        self.assertEqual(balance, 80)

    @aio.timeout(0.5)
    async def test_hangs(self):
        await asyncio.Event().wait()


async def test_withdraw_too_much():
    assert await withdraw(100, 300) == 100


async def withdraw(balance, amount):
    await asyncio.sleep(0)
    return balance - amount
