"""The durations file: how long tests took in earlier runs, one test a line.

A line has the id of a test, a tab and its seconds. For a class, a module or a layer, the line has
its name, and the seconds of its fixtures. If a name stands there twice, the last line counts: so
the files of several shards are merged by writing one after the other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from nose2_aio.config import baseline_file
from nose2_aio.config.shards import Shard
from nose2_aio.errors import InvalidValueError

__all__ = ["check_path", "own_path", "read", "write"]

_HEADER = "# Seconds of tests and fixtures: see --aio-durations-file of nose2_aio.\n"


def check_path(text: str, *, name: str, place: str) -> str:
    """Return the absolute path of a durations file, or of a file that can be written.

    Raises `InvalidValueError` for any other path.
    """
    path = baseline_file.check_new_path(text, name=name, place=place)
    try:
        read(path)
    except (OSError, ValueError) as error:
        raise InvalidValueError(f"{name}: {text} can't be read: {error} ({place})") from None
    return path


def read(path: str) -> dict[str, float]:
    """Return the seconds by name; empty if there is no such file.

    Raises `ValueError` for a line that is neither empty, a comment nor a duration, and `OSError`.
    """
    found: dict[str, float] = {}
    if not (path and Path(path).exists()):
        return found
    for line in Path(path).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, seconds = line.rpartition("\t")
            try:
                found[name] = float(seconds)
            except ValueError:
                raise ValueError(f"{line!r} is not a line of a durations file") from None
    return found


def own_path(path: str, shard: Shard | None) -> Path:
    """Return the path of the file that a run writes: a shard has one of its own."""
    whole = Path(path)
    if shard is None:
        return whole
    return whole.with_name(f"{whole.stem}-{shard.number}-of-{shard.count}{whole.suffix}")


def write(path: Path, seconds: Mapping[str, float]) -> None:
    """Write a file, sorted by name. Nobody sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}\t{seconds[name]:.4f}\n" for name in sorted(seconds)]
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(_HEADER + "".join(lines), "utf-8", "backslashreplace")
    new.replace(path)
