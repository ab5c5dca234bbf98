"""Run one coroutine to its end: on its loop, in its task, within its time limit."""
