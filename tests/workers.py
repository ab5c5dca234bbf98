"""Run projects in worker processes, and compare them with serial runs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple
from unittest import TestCase

from tests.runs import LOAD, Project, run_nose2

TIMES = re.compile(r"\d+\.\d+ ?s\b|0x[0-9a-f]+|(?<= time=\")[^\"]*|(?<= timestamp=\")[^\"]*")
"""Parts of the output that differ between two runs: times, addresses, attributes of JUnit."""
NOTE = """
import asyncio
import os
import sys
import time
import unittest

import nose2_aio as aio


def note(*words):
    with open(os.path.join(os.path.dirname(__file__), "notes.txt"), "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

"""
"""The head of a test module whose tests take notes."""


class Streams(NamedTuple):
    """What a run printed, without times."""

    returncode: int
    stdout: str
    stderr: str


def without_times(text: str) -> str:
    """Replace the parts that differ between two runs."""
    return TIMES.sub("N", text)


def separately(project: Project, *arguments: str) -> Streams:
    """Run nose2 in a project and return stdout and stderr apart.

    Workers keep the order within each of the two only.
    """
    found = run_nose2(*LOAD, *arguments, folder=project.folder, stderr=subprocess.PIPE)
    return Streams(found.returncode, without_times(found.stdout), without_times(found.stderr))


def marked(marker: str) -> list[str]:
    """Return the command lines of processes with a word in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


class Workers(TestCase):
    """A project whose tests take notes."""

    maxDiff = None

    def project(self, code: str, **others: str) -> Project:
        """Return a project with tests that can ``note``."""
        return Project(self, test_it=NOTE + code, **others)

    def notes(self, project: Project) -> list[str]:
        """Return the notes of a run, and remove them."""
        path = project.folder / "notes.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def assert_same(self, project: Project, *arguments: str, workers: str = "2") -> Streams:
        """Assert that a run in workers prints what the serial run prints; return that."""
        arguments = ("-v", *arguments)
        serial = separately(project, *arguments)
        self.assertEqual(separately(project, *arguments, f"--aio-workers={workers}"), serial)
        return serial
