"""Settings from environment variables: ``NOSE2_AIO_TIME_LIMIT`` is the setting ``time-limit``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from nose2_aio.config.options import OPTIONS
from nose2_aio.errors import InvalidValueError

__all__ = ["PREFIX", "read"]

PREFIX = "NOSE2_AIO_"
"""The beginning of the names of all our variables."""


def read(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of the settings that environment variables give, by their keys.

    Raises `InvalidValueError` for a variable that begins like ours and is no setting.
    """
    keys = {option.name.upper(): option.key for option in OPTIONS}
    found = {}
    for name, text in environment.items():
        if not name.startswith(PREFIX):
            continue
        rest = name.removeprefix(PREFIX)
        if rest not in keys:
            nearest = difflib.get_close_matches(rest, keys, n=1)
            known = ", ".join(f"{PREFIX}{one}" for one in keys)
            hint = f"did you mean {f'{PREFIX}{nearest[0]}'!r}?" if nearest else f"known: {known}"
            raise InvalidValueError(f"unknown environment variable {name!r}: {hint}")
        found[keys[rest]] = text
    return found
