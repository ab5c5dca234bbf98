"""The event loop that tests run on: it records tasks, timers and waits, and has a virtual clock."""
