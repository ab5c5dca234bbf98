"""``python -m nose2_aio`` is nose2 with the plugin: it takes all of nose2's arguments."""

from __future__ import annotations

import sys

from nose2 import discover

__all__: list[str] = []

if __name__ == "__main__":
    # in sys.argv, since spawned workers run the same command line
    sys.argv[:1] = ["nose2", "--plugin", "nose2_aio"]
    discover()
