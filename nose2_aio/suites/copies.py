"""Copies test cases before they run, so that a test can run again. A run changes a test case."""

from __future__ import annotations

import copy
from contextlib import suppress
from contextvars import Context
from functools import partial
from unittest import TestCase

from nose2_aio.cases import nose2_cases

__all__ = ["copied"]

_CONTAINERS = (list, dict, set)
_KNOWN_MAKERS = ("unittest", "nose2")
"""The packages whose test cases need no deep copy: we know what their ``__init__`` creates."""


def copied(test: TestCase) -> TestCase:
    """Return a copy of a test that has not run.

    The copy has contexts, lists, dicts and sets of its own. If the test's ``__init__`` is neither
    unittest's nor nose2's, its attributes are deep copies, if they can be copied.
    """
    known = vars(test)
    contexts = {id(one): one.copy() for one in known.values() if isinstance(one, Context)}
    found = copy.copy(test)
    vars(found).clear()
    made_by = getattr(type(test).__init__, "__module__", "").partition(".")[0]
    if made_by not in _KNOWN_MAKERS:  # the user's own may have created anything
        with suppress(Exception):
            known = copy.deepcopy(known, {**contexts, id(test): found})
    vars(found).update(known)
    for name, value in vars(found).items():
        if id(value) in contexts:
            vars(found)[name] = contexts[id(value)]
        elif (
            isinstance(value, partial) and value.args and value.args[0] is test
        ):  # a wrapper of ours
            vars(found)[name] = partial(value.func, found, *value.args[1:], **value.keywords)
        elif type(value) in _CONTAINERS:
            vars(found)[name] = copy.copy(value)
    nose2_cases.renew_user_object(found)
    return found
