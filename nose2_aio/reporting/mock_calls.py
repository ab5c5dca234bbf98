"""Records coroutines that a mock is called with.

A mock keeps the arguments of its calls and awaits nothing: ``asyncio.wait_for`` patched by an
``AsyncMock``, for example, leaves its first argument alone. That is rarely a mistake.

Each mock calls one private method with its arguments. We replace this method, since the mock itself
may be gone when its coroutines are found.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from nose2_aio.introspection import attributes, locations

__all__ = ["intercept_calls", "name_of"]

_HOOK = "_increment_mock_call"


@contextmanager
def intercept_calls(note: Callable[[Any, str], None]) -> Iterator[None]:
    """Call ``note`` for each coroutine that a mock is called with, inside the block.

    Its arguments are the coroutine, which has not been started, and the name of the mock.
    """
    increment = getattr(mock.CallableMixin, _HOOK)

    @functools.wraps(increment)
    def increment_and_note(called: Any, /, *args: Any, **kwargs: Any) -> Any:
        for one in attributes.unstarted((args, kwargs), with_objects=False):
            note(one, name_of(called))
        return increment(called, *args, **kwargs)

    setattr(mock.CallableMixin, _HOOK, increment_and_note)
    try:
        yield
    finally:
        setattr(mock.CallableMixin, _HOOK, increment)


def name_of(called: object) -> str:
    """Return the name of a mock; "" if it has none."""
    found = re.search(r"name='(.*?)'", locations.text_of(called))
    return found[1] if found else ""
