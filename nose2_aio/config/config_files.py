"""What nose2's configuration files say about ``[aio]``.

nose2 merges all files into one configuration. So the files are read once more here, to find in
which of them a path is written, and whether one has a section that is never read.
"""

from __future__ import annotations

import sys
import tomllib
from configparser import ConfigParser, InterpolationError
from pathlib import Path
from typing import Any

from nose2_aio.config.options import OPTIONS, SECTION
from nose2_aio.errors import InvalidValueError

__all__ = ["explain_interpolation", "read", "read_by_nose2"]

_MISTAKEN = ("nose2_aio", "nose2-aio")
"""Names that people give the section, since the plugin has that name."""


def read(session: Any, files: list[Path]) -> dict[str, str]:
    """Return the keys and texts of ``[aio]`` in the files that a nose2 session has read.

    A relative path begins at the folder of the configuration file. It is made absolute.

    Raises `InvalidValueError` if a section has the name of the plugin: it is never read.
    """
    _refuse_mistaken(session, files)
    found = dict(session.config.items(SECTION)) if session.config.has_section(SECTION) else {}
    for option in OPTIONS:
        text = found.get(option.key, "")
        if option.is_path and text.strip():
            found[option.key] = str(_folder_of(option.key, session, files) / text)
    return found


def explain_interpolation(error: InterpolationError, config: ConfigParser) -> str:
    """Return the message for a value in ``[aio]`` whose ``%`` can't be understood."""
    key = error.option
    text = config.get(SECTION, key, raw=True)
    return (
        f"{key}: in a configuration file, %(name)s stands for the value of another key, and %% for "
        f"a percent sign, got {text!r} ([{SECTION}] {key})"
    )


def read_by_nose2() -> list[Path]:
    """Return the configuration files that nose2 has read; those that win stand last.

    nose2 stores their names nowhere. So they are asked for again, from the program that is
    starting; without one, such as in a worker process of nose2, the result is empty.
    """
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "parseArgs" and "cfg_args" in frame.f_locals:
            program, arguments = frame.f_locals["self"], frame.f_locals["cfg_args"]
            paths = map(Path, program.findConfigFiles(arguments))
            return [path.absolute() for path in paths if path.is_file()]
    return []


def _folder_of(key: str, session: Any, files: list[Path]) -> Path:
    """Return the folder of the file that has set a key."""
    for path in reversed(files):
        own = type(session)()
        own.loadConfigFiles(str(path))
        if own.config.has_option(SECTION, key):
            return path.parent
    return Path()


def _refuse_mistaken(session: Any, files: list[Path]) -> None:
    for name in _MISTAKEN:
        if session.config.has_section(name):
            raise InvalidValueError(
                f"the section [{name}] is never read: its name is [{SECTION}], and "
                f"[tool.nose2.{SECTION}] in pyproject.toml"
            )
        for path in files:
            if path.name == "pyproject.toml":
                tools = tomllib.loads(path.read_text("utf-8")).get("tool", {})
                if name in tools:
                    raise InvalidValueError(
                        f"the table [tool.{name}] in pyproject.toml is never read: its name is "
                        f"[tool.nose2.{SECTION}]"
                    )
