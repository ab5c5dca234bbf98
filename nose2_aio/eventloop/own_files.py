"""Which of the files that a loop watches can be made ready by this process alone.

In virtual time, a loop waits for real while something outside may wake it. A client and a server of
one test are nothing outside: if both wait, nobody acts. The rule, for each file that is watched:

1. Its other end is open in this process too. Then only code of this process acts on it. Another
   thread or a child process may have a copy of it: while there is one, it is a reason to wait
   anyway (`nose2_aio.eventloop.wakeup_sources`).
2. Or it listens. Only somebody who connects can make it ready: a thread, a child process, or a
   program outside of the test, which does not count.
3. Anything else may be made ready from outside: its other end is not here, or not known.

*On its way.* What was sent to the other end may not have arrived. Linux delivers within the system
call that sends, for pipes and for sockets of AF_UNIX. TCP also keeps data back: it waits for the
confirmation of data that was sent before (Nagle's algorithm), for at most 0.2 s, or it sends again
what the other end had no room for. So we ask the kernel about both ends of a connection. Nothing is
on its way from A to B if

- B has received as many bytes as A has sent, those that were sent again not counted; and
- A has sent all its bytes, or it waits for no confirmation: then B does not read, and has no room;
- B has received the end of the stream, if A has ended it.

For UDP the kernel counts the bytes that are not yet in the buffer of the other end.

Then a poll of zero seconds tells whether a file is ready. If none is, none will be.

The other end of a connection is the socket whose two addresses are the same, the other way round.
For AF_UNIX the kernel says which process has created the other end.

Limits: A process may have a copy of a socket, and be neither this process nor a child of it: a
child process has started it, or has got the socket in a message. So a socket that may have been
inherited counts as unknown: it was watched when this process was forked, or is inheritable. On
other systems than Linux, every file counts as unknown.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nose2_aio.introspection import sockets

__all__ = ["OwnFiles"]

_IS_LINUX = sys.platform == "linux"
_FILES = "/proc/self/fd"
_INTERNET = (socket.AF_INET, socket.AF_INET6)
_ANY = ("0.0.0.0", "::")  # noqa: S104 -- compared with
_MAPPED = "::ffff:"
"""How an address of IPv4 begins that a socket of IPv6 shows."""
_TCP_INFO = struct.Struct("=B23xI100xQ8xI52xQQ")
"""``struct tcp_info``: the fields of `_TcpInfo`."""
_ESTABLISHED = 1
_ENDED = (4, 5, 11)
"""The states in which a socket has ended its stream: FIN_WAIT1, FIN_WAIT2, CLOSING."""
_CREATOR = struct.Struct("=iII")
"""``struct ucred``: the number of a process, of its user and its group."""
_COUNT_UNDELIVERED = 0x5411
"""The request SIOCOUTQ: how many bytes a socket of UDP has sent that are not delivered."""

_IsOnWay = Callable[[], bool]
"""Returns True if something is on its way between two ends."""


class _Forks:
    """Counts how often this process was forked by Python code."""

    count = 0


def _note_fork() -> None:
    _Forks.count += 1


getattr(os, "register_at_fork", lambda **_: None)(after_in_parent=_note_fork)


class _Socket(NamedTuple):
    """An open socket of this process."""

    descriptor: int
    family: int
    kind: int
    own: Any
    """Its own address: host and port, or a path."""
    peer: Any
    """The address that it is connected to; None if it isn't."""
    is_listening: bool


class _TcpInfo(NamedTuple):
    """What the kernel knows about one end of a connection."""

    state: int
    unconfirmed: int
    """How many pieces of data were sent that the other end has not confirmed."""
    received: int
    """How many bytes were received. The end of the stream counts as one."""
    unsent: int
    sent: int
    sent_again: int


class OwnFiles:
    """Knows which of the files that one selector watches can be made ready from outside."""

    def __init__(self) -> None:
        self._outside: tuple[int, ...] | None = None
        """The descriptors of files that may be made ready from outside; None if not known yet."""
        self._links: list[_IsOnWay] = []
        """The connections between own files."""
        self._forks: dict[int, int] = {}
        """`_Forks.count` when a file was first watched, by descriptor."""
        self._looked_at = 0
        """`_Forks.count` at the last look."""

    def note_watched(self, descriptor: int) -> None:
        """Called when a file is watched from now on."""
        self._outside = None
        self._forks[descriptor] = _Forks.count

    def note_unwatched(self, descriptor: int) -> None:
        """Called when a file is watched no more."""
        self._outside = None
        self._forks.pop(descriptor, None)

    def outside(self, watched: Sequence[int]) -> tuple[int, ...]:
        """Return which of the watched files may be made ready from outside."""
        if self._outside is None or self._looked_at != _Forks.count:
            self._look(watched)
        assert self._outside is not None
        return self._outside

    def is_any_on_way(self, watched: Sequence[int]) -> bool:
        """Return True if something is on its way between the files that are not outside."""
        self.outside(watched)
        if not any(is_on_way() for is_on_way in self._links):
            return False
        self._look(watched)  # an other end that isn't watched may have been closed
        return any(is_on_way() for is_on_way in self._links)

    def _look(self, watched: Sequence[int]) -> None:
        self._links = []
        self._looked_at = _Forks.count
        every: list[_Socket] = []
        self._outside = tuple(one for one in watched if not self._is_own(one, every))

    def _is_own(self, descriptor: int, every: list[_Socket]) -> bool:
        """Return True if only this process can make a file ready.

        ``every`` gets the sockets of this process, as soon as they are needed.
        """
        if self._may_be_inherited(descriptor):
            return False
        one = _socket(descriptor)
        if one is None:
            return _has_both_ends(descriptor)
        if one.is_listening or one.family == socket.AF_UNIX:
            return one.is_listening or _is_peer_own(descriptor)
        every[:] = every or _sockets()
        other = _other_end(one, every)
        if other is not None:
            self._links.append(_link(one, other))
        return other is not None

    def _may_be_inherited(self, descriptor: int) -> bool:
        """Return True if another process may have a copy of a file, or if that is not known."""
        try:
            return (
                not _IS_LINUX
                or self._forks.get(descriptor, 0) != _Forks.count
                or os.get_inheritable(descriptor)
            )
        except OSError:  # it is closed
            return True


def _socket(descriptor: int) -> _Socket | None:
    """Return an open socket of the Internet or of AF_UNIX; None for any other file."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as one:
            if one.family not in (*_INTERNET, socket.AF_UNIX):
                return None
            return _Socket(
                descriptor,
                one.family,
                one.type,
                _address(one.getsockname()),
                _peer_of(one),
                one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) > 0,
            )
    except OSError:
        return None


def _peer_of(one: socket.socket) -> Any:
    try:
        return _address(one.getpeername())
    except OSError:
        return None


def _address(address: Any) -> Any:
    """Return host and port of an address; that of AF_UNIX as it is."""
    is_pair = isinstance(address, tuple) and len(address) > 1
    return (str(address[0]).removeprefix(_MAPPED), address[1]) if is_pair else address


def _sockets() -> list[_Socket]:
    """Return the open sockets of this process."""
    found = [_socket(int(name)) for name in os.listdir(_FILES)]  # noqa: PTH208 -- names
    return [one for one in found if one is not None and one.family in _INTERNET]


def _other_end(one: _Socket, every: list[_Socket]) -> _Socket | None:
    """Return the socket of this process that acts on another one; None if there is none.

    For a socket of UDP that is not connected, it is that itself, unless the network reaches it. For
    a connection that nobody has accepted yet, it is the socket that listens.
    """
    same = [other for other in every if other.kind == one.kind]
    if one.peer is None:
        is_local = one.own[0].startswith("127.") or one.own[0] == "::1"
        return one if one.kind == socket.SOCK_DGRAM and is_local else None
    for other in same:
        if (other.own, other.peer) == (one.peer, one.own):
            return other
    for other in same:
        host, port = other.own
        is_open = other.is_listening or (other.peer is None and one.kind == socket.SOCK_DGRAM)
        if is_open and port == one.peer[1] and host in (one.peer[0], *_ANY):
            return other
    return None


def _link(one: _Socket, other: _Socket) -> _IsOnWay:
    """Return the function that tells whether something is on its way between two sockets."""
    ends = one.descriptor, other.descriptor
    if one.kind == socket.SOCK_DGRAM:
        return lambda: any(map(_has_undelivered, ends))
    if other.is_listening:
        return lambda: _is_unconfirmed(_tcp_info(ends[0]))
    return lambda: _is_stream_on_way(*map(_tcp_info, ends))


def _tcp_info(descriptor: int) -> _TcpInfo | None:
    """Return what the kernel knows about a socket; None if it knows nothing."""
    try:
        data = sockets.option(descriptor, socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        return _TcpInfo(*_TCP_INFO.unpack(data))
    except (OSError, struct.error):
        return None


def _is_stream_on_way(one: _TcpInfo | None, other: _TcpInfo | None) -> bool:
    """Return True if data, or the end of a stream, is on its way between two ends."""
    return one is None or other is None or _is_from(one, other) or _is_from(other, one)


def _is_from(one: _TcpInfo, other: _TcpInfo) -> bool:
    if one.sent - one.sent_again > other.received or (one.unsent and one.unconfirmed):
        return True
    return one.state in _ENDED and other.state == _ESTABLISHED and not one.unsent


def _is_unconfirmed(one: _TcpInfo | None) -> bool:
    return one is None or one.unconfirmed > 0


def _has_undelivered(descriptor: int) -> bool:
    """Return True if a socket of UDP has sent something that is not delivered."""
    try:
        return any(fcntl.ioctl(descriptor, _COUNT_UNDELIVERED, bytes(4)))
    except OSError:
        return True


def _is_peer_own(descriptor: int) -> bool:
    """Return True if this process has created the other end of a socket of AF_UNIX."""
    try:
        data = sockets.option(descriptor, socket.SOL_SOCKET, socket.SO_PEERCRED, _CREATOR.size)
    except OSError:
        return False
    return bool(_CREATOR.unpack(data)[0] == os.getpid())


def _has_both_ends(descriptor: int) -> bool:
    """Return True if this process has the other end of a pipe open. A pipe with a name has none."""
    name, mode = _pipe(descriptor)
    ends = map(_pipe, map(int, os.listdir(_FILES))) if name else ()  # noqa: PTH208 -- names
    return any(other == name and access != mode for other, access in ends)


def _pipe(descriptor: int) -> tuple[str, int]:
    """Return the name of a pipe, and whether it is open for reading or for writing.

    The name is "" for other files, and for a pipe that has a name in a folder.
    """
    try:
        name = os.readlink(f"{_FILES}/{descriptor}")  # noqa: PTH115 -- a text
        access = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:  # it is closed, as that of the listing is
        return "", 0
    return (name, access) if name.startswith("pipe:") else ("", 0)
