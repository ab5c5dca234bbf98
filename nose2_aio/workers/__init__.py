"""Run tests in several worker processes at the same time, and report them in the suite's order.

How a run goes (`worker_run`):

1. The suite is cut into units. The tests of a unit run one after the other in one process.
2. The `pool` starts workers, by a `worker_handle` for each. A worker is forked after the suite was
   loaded. If that isn't safe, it is `spawned` and loads the suite itself.
3. The pool gives units to workers (`dispatch`), in the order that the `schedule` allows.
4. A worker (`worker_process`) runs a unit on a test result that records all calls (`recording`).
   It sends them to the main process as `messages`, with the `output` of the tests. Exceptions and
   other values of the user's go through `pickling`.
5. The main process puts the events of all workers into the order of the suite (`delivery`). It
   replays them on nose2's own result (`receivers`, `replay`).
6. The pool kills a worker that is stuck, and replaces a worker that has died. `crashes` and
   `stack_dumps` find out why it died, and where.
7. At the end, `retries` runs failed tests again. `intervals` knows which other tests ran at the
   same time.
"""
