"""The switches of the command line: one for each setting, and what to do about a mistyped one."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import Any

from nose2_aio.config.options import OPTIONS, SECTION
from nose2_aio.config.settings import default_text

__all__ = ["define", "given"]

_OURS = rf"(--(?:no-)?{SECTION}-)([^\s=]*)"


def define(session: Any) -> None:
    """Add the switches to the parser of a nose2 session, ``--aio`` and one for each setting.

    An unknown switch that begins like ours ends the run. The message has the most similar switch.
    """
    _add(session.pluginargs, SECTION, "Run coroutine tests. Default: true", None, None)
    for option in OPTIONS:
        name = f"{SECTION}-{option.key}"
        text = f"{option.help}. Default: {default_text(option)}"
        _add(session.pluginargs, name, text, option.metavar, option.const)
    refuse = session.argparse.error

    def error(message: str) -> None:
        unknown = re.search(_OURS, message)
        if unknown is not None and message.startswith("Unrecognized arguments"):
            nearest = _nearest(*unknown.groups())
            hint = f"did you mean {nearest!r}?" if nearest else "'nose2 --help' lists all"
            session.argparse.exit(2, f"nose2: error: unknown switch {unknown[0]!r}: {hint}\n")
        refuse(message)

    session.argparse.error = error


def given(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the texts of the settings that the command line has, by their keys."""
    texts = {option.key: getattr(arguments, f"{SECTION}_{option.name}") for option in OPTIONS}
    return {key: str(text) for key, text in texts.items() if text is not None}


def _add(
    parser: Any,
    name: str,
    help: str,  # noqa: A002 -- argparse's name
    metavar: str | None,
    const: str | None,
) -> None:
    """Add a switch; without a metavar, with its ``--no-`` form.

    ``const`` is what it means without a value.
    """
    options: dict[str, Any] = {"metavar": metavar}
    if metavar is None:
        options = {"action": argparse.BooleanOptionalAction}
    elif const is not None:
        options |= {"nargs": "?", "const": const}
    parser.add_argument(f"--{name}", help=help, **options)


def _nearest(prefix: str, rest: str) -> str:
    """Return the switch that is most like an unknown one; "" if none is like it."""
    options = {option.key: option for option in OPTIONS}
    found = difflib.get_close_matches(rest.lower().replace("_", "-"), options, n=1)
    if not found:
        return ""
    return f"{prefix if options[found[0]].metavar is None else f'--{SECTION}-'}{found[0]}"
