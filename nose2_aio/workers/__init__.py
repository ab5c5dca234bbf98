"""Run many tests at once, each in one of several worker processes.

1. The suite is cut into units: tests that have to run in order in one place (`nose2_aio.suites.units`).
2. `schedule` says which unit may start next; `pool` hands it to a worker process that is free.
3. `process` is that worker process. It runs the unit on a `recording` result, and sends what
   happened to the main process (`messages`), with what was printed (`output`).
4. `delivery` puts that in the order of the suite, and `replay` repeats it on nose2's own result.
5. `pool` watches the workers meanwhile (`handle`). It kills one that is stuck, and starts another
   one for one that has died. `crashes` and `stack_dumps` say what it died of, and where.
6. `retries` runs failed tests again at the end.

A worker is forked once the suite is loaded, or else it is `spawned` and loads the suite by itself.
"""
