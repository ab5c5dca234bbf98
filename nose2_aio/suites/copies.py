"""Copies of test cases as they are before they run: a test changes its test case."""

from __future__ import annotations

import copy
from contextlib import suppress
from contextvars import Context
from functools import partial
from unittest import TestCase

from nose2_aio.cases import nose2_cases

__all__ = ["copied"]

_OWN = (list, dict, set)
_MAKERS = ("unittest", "nose2")


def copied(test: TestCase) -> TestCase:
    """Return a copy of a test that has not run."""
    known = vars(test)
    contexts = {id(one): one.copy() for one in known.values() if isinstance(one, Context)}
    found = copy.copy(test)
    vars(found).clear()
    made_by = getattr(type(test).__init__, "__module__", "").partition(".")[0]
    if made_by not in _MAKERS:  # the user's own may have made anything
        with suppress(Exception):
            known = copy.deepcopy(known, {**contexts, id(test): found})
    vars(found).update(known)
    for name, value in vars(found).items():
        if id(value) in contexts:
            vars(found)[name] = contexts[id(value)]
        elif isinstance(value, partial) and value.args and value.args[0] is test:  # ours
            vars(found)[name] = partial(value.func, found, *value.args[1:], **value.keywords)
        elif type(value) in _OWN:
            vars(found)[name] = copy.copy(value)
    nose2_cases.renew(found)
    return found
