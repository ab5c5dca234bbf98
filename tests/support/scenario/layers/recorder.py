"""Print each call of a fixture or a test, with the loop and the task that it runs in, by number."""

import asyncio
import contextvars
import os

loops = []
tasks = []
trail = contextvars.ContextVar("trail", default="")


def note(name):
    """Print it, with the values that a context variable got on the way here."""
    try:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
    except RuntimeError:
        loop = task = None
    seen = trail.get()
    trail.set(seen + name[0])
    where = f"loop {number(loop, loops)}; task {number(task, tasks)}"
    # in one go, as worker processes may print at the same time
    os.write(1, f"@ {name}; {where}; after {seen or '-'}\n".encode())


def number(one, known):
    """Number what is seen, so that nothing new is taken for what is gone."""
    if one is None:
        return "-"
    if one not in known:
        known.append(one)
    return known.index(one)
