"""Describe running code: file and line, tracebacks, and the await chains of tasks."""
