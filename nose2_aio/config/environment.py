"""Settings from environment variables: ``NOSE2_AIO_TIME_LIMIT`` is the setting ``time-limit``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nose2_aio.config.options import OPTIONS, suggestion
from nose2_aio.errors import InvalidValueError

__all__ = ["PREFIX", "names", "read"]

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
            hint = suggestion(rest, keys, PREFIX)
            raise InvalidValueError(f"unknown environment variable {name!r}: {hint}")
        found[keys[rest]] = text
    return found


def names(environment: Mapping[str, str], keys: Iterable[str]) -> list[str]:
    """Return the names of the variables that are set for these settings."""
    all_names = [PREFIX + key.replace("-", "_").upper() for key in keys]
    return [name for name in all_names if name in environment]
