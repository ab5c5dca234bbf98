"""Which watched files can be made ready by nobody but this thread: both their ends are its own.

Virtual time may jump while a loop watches such files. The rule: a watched file holds time only if
something outside of this process may make it ready, or if something is on its way to it.

1. Both ends of a connection are own files if this process has both open, and had neither when the
   package was imported, or when this process was forked or has forked another one. Other threads
   and child processes hold time anyway (`nose2_aio.eventloop.wakeup_sources`), so only this thread
   can write, read, connect or close. And this thread is about to wait.
2. What was written before has come, or it is seen on its way:

   - Pipes and Unix sockets: the system call that writes puts the bytes into the buffer of the
     reader. Nothing is ever on its way.
   - TCP: the kernel counts the bytes that one end has sent, and that the other one has received.
     What is missing there was lost, or is in a queue of the kernel. Bytes that were not sent yet
     are on their way if the other end has room for them: Nagle's algorithm, TCP_CORK or pacing
     keeps them back, for 0.2 seconds at most. If it has none, they wait until somebody reads.
   - UDP, and a TCP connection that was not accepted yet: the kernel's list of packets that were
     not received yet is empty.
3. A poll of zero seconds after that finds what has come. If it finds nothing, nothing will come
   until a timer of the loop is due.

A listening socket has no other end, and a datagram socket that is bound to the loopback interface
or to a path need not have one. They don't hold time: a client that is neither this thread, nor
another one, nor a child process would have to know the address.

What is not seen: a process that is not our child (any more) and that has got one end from us by
``SCM_RIGHTS``, or from a child process to which ``subprocess`` gave it (``stdout``, ``pass_fds``).
A datagram that is delayed on purpose on the loopback interface (``tc netem``), or lost in it, isn't
seen either.

Anything else holds time, such as a connection to another process, a terminal, or an eventfd.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nose2_aio.eventloop.wakeup_sources import process_state
from nose2_aio.introspection import file_ends, sockets
from nose2_aio.introspection.file_ends import End, Kind, Name

__all__ = ["OwnFiles"]


class OwnFiles:
    """What we have found out about the files that a selector watches.

    What a file is connected to doesn't change while it is watched, so each is looked at once.
    """

    def __init__(self) -> None:
        self._ends: dict[int, End | None] = {}
        """The known files by descriptor; None if something outside may make it ready."""
        self._watched: dict[Name, int] = {}
        """The descriptors of these ends, by name."""
        self._foreign: set[int] = set()
        """The descriptors of the files that something outside may make ready."""
        self._tcp: dict[int, int] = {}
        """The other end of each TCP socket, by descriptor."""
        self._unseen: set[int] = set()
        """The descriptors of those that don't tell what is on its way to them."""
        self._pending: set[int] = set()
        """The descriptors of TCP sockets that are connected, and whose other end nobody has open.

        They are looked at again each time.
        """
        self._inherited = process_state.inherited_files

    def forget(self, descriptor: int) -> None:
        """Called when the selector doesn't watch a file any more."""
        end = self._ends.pop(descriptor, None)
        if end is not None:
            self._watched.pop(end.name, None)
        self._foreign.discard(descriptor)
        self._tcp.pop(descriptor, None)
        self._unseen.discard(descriptor)
        self._pending.discard(descriptor)

    def foreign(self, watched: list[int]) -> set[int]:
        """Return the watched files that something outside may make ready."""
        if self._inherited is not process_state.inherited_files:
            self.__init__()  # type: ignore[misc]  # this process was forked
        if self._pending or len(self._ends) != len(watched):
            known = self._ends.keys() - self._pending
            self._look_at([one for one in watched if one not in known])
        return self._foreign

    def is_anything_on_way(self, awaits_room: Callable[[int], bool]) -> bool:
        """Return True if bytes or connections are on their way from one own file to another.

        ``awaits_room`` returns whether the loop waits until it can write to a file.
        """
        for one, other in self._tcp.items():
            if one > other and other in self._tcp:
                continue  # both are watched: one question for both
            if _is_pair_busy(one, other, awaits_room):
                if not self._are_connected(one, other):
                    self._look_at([one])  # the other one was closed, and its number used again
                return True
        for one in self._pending:
            info = file_ends.tcp_info(one)
            if info is None or info.unacknowledged or info.is_kept_back:
                return True
        return bool(self._unseen or self._pending) and file_ends.has_backlog()

    def _are_connected(self, one: int, other: int) -> bool:
        end, found = self._ends[one], file_ends.look_at(other)
        return end is not None and found is not None and found.name in end.others

    def _look_at(self, new: list[int]) -> None:
        """Find out which ends of connections these files are, and whose the other ends are."""
        for one in new:
            end = self._ends[one] = _own_end(one)
            if end is not None:
                self._watched[end.name] = one
        known: Mapping[Name, int] = self._watched
        if not all(self._is_complete(one) for one in new):
            known = {end.name: one for one in sockets.open_files() if (end := _own_end(one))}
        for one in new:
            self._judge(one, known)

    def _is_complete(self, one: int) -> bool:
        """Return True if the other end of a file is watched, or if it has none."""
        end = self._ends[one]
        return end is None or not end.others or end.others[0] in self._watched

    def _judge(self, one: int, known: Mapping[Name, int]) -> None:
        """Record whether the other end of a file is among the ends that are ``known``."""
        end = self._ends[one]
        other = None if end is None else next((name for name in end.others if name in known), None)
        self._foreign.discard(one)
        self._pending.discard(one)
        self._tcp.pop(one, None)
        if end is None or not (other or end.is_open_to_all):
            self._foreign.add(one)
        elif end.name[0] == Kind.UDP:
            self._unseen.add(one)
        elif other is not None and other[0] == Kind.TCP:
            self._tcp[one] = known[other]
        elif end.name[0] == Kind.TCP:
            self._pending.add(one)
            if not file_ends.is_in_accept_queue(end.name):
                # the queue is full, or we have closed the other end: the kernel will go on with it
                self._foreign.add(one)


def _is_pair_busy(one: int, other: int, awaits_room: Callable[[int], bool]) -> bool:
    """Return True if something is on its way between two TCP sockets, in either direction.

    If the loop waits until it can write to one, an acknowledgement may make it ready, too.
    """
    ours, theirs = file_ends.tcp_info(one), file_ends.tcp_info(other)
    return (
        ours is None
        or theirs is None
        or file_ends.is_on_way(ours, theirs)
        or file_ends.is_on_way(theirs, ours)
        or (ours.unacknowledged > 0 and awaits_room(one))
        or (theirs.unacknowledged > 0 and awaits_room(other))
    )


def _own_end(descriptor: int) -> End | None:
    """Return which end of a connection a file is; None if other processes may have it open."""
    end = file_ends.look_at(descriptor)
    return None if end is None or end.file in process_state.inherited_files else end
