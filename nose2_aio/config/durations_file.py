"""The durations file: how long tests took in earlier runs, one test a line.

A line has the id of a test, its seconds, and how many of these it waited, with tabs between them.
For a class, a module or a layer, the line has its name, and the times of its fixtures. If a name
stands there twice, the last line counts: so the files of several shards are merged by writing one
after the other.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from nose2_aio.config import baseline_file
from nose2_aio.config.shards import Shard
from nose2_aio.errors import InvalidValueError

__all__ = ["Duration", "check_path", "own_path", "read", "write"]

_HEADER = "# Seconds of tests and fixtures: see --aio-durations-file of nose2_aio.\n"


class Duration(NamedTuple):
    """How long something took."""

    seconds: float
    waiting: float
    """How many of the seconds it waited: then other tests can run, in other workers."""

    def __add__(self, other: object) -> "Duration":
        assert isinstance(other, Duration)
        return Duration(self.seconds + other.seconds, self.waiting + other.waiting)


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


def read(path: str) -> dict[str, Duration]:
    """Return the durations by name; empty if there is no such file.

    Raises `ValueError` for a line that is neither empty, a comment nor a duration, and `OSError`.
    """
    found: dict[str, Duration] = {}
    if not (path and Path(path).exists()):
        return found
    for line in Path(path).read_text("utf-8").split("\n"):  # a name may have other separators
        if line and not line.startswith("#"):
            try:
                name, seconds, waiting = line.rsplit("\t", 2)
                found[name] = one = Duration(float(seconds), float(waiting))
                if not 0 <= one.waiting <= one.seconds < math.inf:
                    raise ValueError
            except ValueError:
                raise ValueError(f"{line!r} is not a line of a durations file") from None
    return found


def own_path(path: str, shard: Shard | None) -> Path:
    """Return the path of the file that a run writes: a shard has one of its own."""
    whole = Path(path)
    if shard is None:
        return whole
    return whole.with_name(f"{whole.stem}-{shard.number}-of-{shard.total}{whole.suffix}")


def write(path: Path, durations: Mapping[str, Duration]) -> None:
    """Write a file, sorted by name. Nobody sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{name}\t{one.seconds:.4f}\t{one.waiting:.4f}\n" for name, one in sorted(durations.items())
    ]
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(_HEADER + "".join(lines), "utf-8", "backslashreplace")
    new.replace(path)
