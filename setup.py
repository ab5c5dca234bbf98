"""A shim for tools that look for one: the metadata is in pyproject.toml."""

from setuptools import setup

setup()
