"""Prepare a suite before it runs: cut it into units, copy its tests, change their order."""
