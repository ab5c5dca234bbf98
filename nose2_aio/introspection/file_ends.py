"""The two ends of a connection, and what is on its way from one to the other. Only on Linux.

An end has a name, a tuple that is unique in the network namespace. The name of the other end
follows from it:

==================  ========================================  =====================================
end                 name                                      name of the other end
==================  ========================================  =====================================
TCP socket          own address, address of the peer          the same two, swapped
UDP socket          own address, address of the peer or None  the same two, swapped; or the peer
                                                              without a peer of its own
Unix socket         inode                                     inode of the peer (``unix(7)``,
                                                              ``sock_diag(7)``)
pipe                inode, True for the end that is written   the same inode, not the bool
listening socket    own address                               none
==================  ========================================  =====================================
"""

import fcntl
import functools
import os
import socket
import stat
import struct
from contextlib import closing, suppress
from typing import Any, NamedTuple

from nose2_aio.introspection import sockets

__all__ = [
    "End",
    "Kind",
    "Name",
    "TcpInfo",
    "counts_bytes",
    "has_backlog",
    "is_in_accept_queue",
    "is_on_way",
    "look_at",
    "tcp_info",
]


class Kind:
    """The kinds of ends. They are the first items of their names."""

    LISTENING = "listening"
    PIPE = "pipe"
    TCP = "TCP"
    UDP = "UDP"
    UNIX = "Unix"


Name = tuple[Any, ...]


class End(NamedTuple):
    """One end of a connection."""

    name: Name
    file: tuple[int, int]
    """Its device and its inode."""
    others: tuple[Name, ...] = ()
    """The names that the other end may have. They begin with the likeliest."""
    is_open_to_all: bool = False
    """True if it needs no other end: who knows its address may connect, or send to it."""


class TcpInfo(NamedTuple):
    """What the kernel knows about one end of a connection."""

    state: int
    unacknowledged: int
    """How many segments the other end has not acknowledged yet."""
    received: int
    """How many bytes have come from the other end. The end of the stream counts as one."""
    unsent: int
    """How many bytes were not sent yet."""
    sent: int
    sent_again: int
    """How many bytes were sent again. They are part of ``sent``."""
    window: int
    """For how many bytes the other end has room."""

    @property
    def is_kept_back(self) -> bool:
        """True if bytes were not sent yet by Nagle's algorithm, TCP_CORK or pacing."""
        return self.unsent > 0 and (self.unacknowledged > 0 or self.window > 0)


_BACKLOG = "/proc/net/softnet_stat"
_BACKLOG_COLUMN = 11
"""The column that counts the packets that were sent to this machine, and not yet received.

It is there since Linux 5.10.
"""
_TCP_INFO = struct.Struct("=B23xI100xQ8xI52xQQ12xI")
"""``struct tcp_info`` of ``linux/tcp.h``, with the fields of `TcpInfo`: all since Linux 5.4."""
_ESTABLISHED = 1
_ENDED = (4, 5, 11)
"""The states of a TCP socket that has ended its stream: FIN_WAIT1, FIN_WAIT2, CLOSING."""
_NETLINK_SOCK_DIAG, _DIAG_BY_FAMILY, _NETLINK_ERROR = 4, 20, 2
_HEAD = struct.Struct("=IHHII")
"""``linux/netlink.h``: the length of the message, its type, 1 for a request, two more numbers."""
_ANY_COOKIE = b"\xff" * 8
_UNIX_REQUEST = struct.Struct("=BBHIII8s")
_UNIX_ANSWER = struct.Struct("=BBBBIII")
_UDIAG_SHOW_PEER, _UNIX_DIAG_PEER = 4, 2
_ATTRIBUTE = struct.Struct("=HH")
"""``linux/unix_diag.h``"""
_TCP_REQUEST = struct.Struct("=BBBBI 2s2s16s16sI8s")
_TCP_ANSWER = struct.Struct("=BB66xI")
"""``linux/inet_diag.h``: the family, the state, the inode."""
_CLOSE_WAIT = 8


def look_at(descriptor: int) -> End | None:
    """Return which end of a connection a file is; None for another file, or one not understood."""
    try:
        info = os.fstat(descriptor)
        file = (info.st_dev, info.st_ino)
        if stat.S_ISFIFO(info.st_mode):
            return _pipe(descriptor, file)
        if stat.S_ISSOCK(info.st_mode):
            with sockets.opened(descriptor) as one:
                return _socket_end(one, file)
    except OSError:
        pass
    return None


def is_on_way(sender: TcpInfo, receiver: TcpInfo) -> bool:
    """Return True if bytes or the end of a stream are on their way between two TCP sockets.

    Bytes that wait until the receiver has read others are not on their way.
    """
    return (
        sender.sent - sender.sent_again > receiver.received
        or sender.is_kept_back
        or (sender.state in _ENDED and receiver.state == _ESTABLISHED and not sender.unsent)
    )


def tcp_info(descriptor: int) -> TcpInfo | None:
    """Return what the kernel knows about a TCP socket; None if it is closed, or the kernel old."""
    try:
        one = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, descriptor)
        try:
            data = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        finally:
            one.detach()
        return TcpInfo(*_TCP_INFO.unpack(data))
    except (OSError, struct.error):
        return None


@functools.cache
def counts_bytes() -> bool:
    """Return True if the kernel counts what TCP sockets send. That of a sandbox may not."""
    with (
        closing(socket.SocketType(socket.AF_INET, socket.SOCK_STREAM)) as server,
        closing(socket.SocketType(socket.AF_INET, socket.SOCK_STREAM)) as client,
        suppress(OSError),  # there is no loopback interface
    ):
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        client.send(b".")
        info = tcp_info(client.fileno())
        return info is not None and info.sent == 1
    return False


def has_backlog() -> bool:
    """Return True if packets between sockets of this machine may be on their way."""
    try:
        with open(_BACKLOG, encoding="ascii") as file:  # noqa: PTH123 -- a name in /proc
            return any(int(line.split()[_BACKLOG_COLUMN], 16) for line in file)
    except (OSError, IndexError):
        return True


def _pipe(descriptor: int, file: tuple[int, int]) -> End | None:
    if not os.readlink(f"/proc/self/fd/{descriptor}").startswith("pipe:"):  # noqa: PTH115 -- /proc
        return None  # it has a path: other processes may open it
    mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    if mode == os.O_RDWR:
        return None
    is_written = mode == os.O_WRONLY
    return End((Kind.PIPE, file, is_written), file, ((Kind.PIPE, file, not is_written),))


def _socket_end(one: socket.SocketType, file: tuple[int, int]) -> End | None:
    if one.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        return None
    own = _address(one.getsockname())
    if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return End((Kind.LISTENING, own), file, is_open_to_all=True)
    try:
        peer = _address(one.getpeername())
    except OSError:
        peer = None
    if one.family == socket.AF_UNIX:
        return _unix_end(one, file, own, peer)
    return _internet_end(one, file, own, peer)


def _internet_end(one: socket.SocketType, file: tuple[int, int], own: Any, peer: Any) -> End | None:
    if one.proto == socket.IPPROTO_TCP and peer and counts_bytes():
        return End((Kind.TCP, own, peer), file, ((Kind.TCP, peer, own), (Kind.LISTENING, peer)))
    if one.proto == socket.IPPROTO_UDP and peer:
        return End((Kind.UDP, own, peer), file, ((Kind.UDP, peer, own), (Kind.UDP, peer, None)))
    if one.proto == socket.IPPROTO_UDP:
        return End((Kind.UDP, own, None), file, is_open_to_all=_is_loopback(own))
    return None


def _unix_end(one: socket.SocketType, file: tuple[int, int], own: Any, peer: Any) -> End | None:
    name = (Kind.UNIX, file[1])
    other = _inode_of_peer(file[1])
    if other:
        return End(name, file, ((Kind.UNIX, other),))
    if peer:  # it was not accepted yet
        return End(name, file, ((Kind.LISTENING, peer),))
    return End(name, file, is_open_to_all=bool(own) and one.type == socket.SOCK_DGRAM)


def _address(value: Any) -> Any:
    """Return an address that is the same whether the socket is one of IPv4 or of IPv6."""
    return (value[0].removeprefix("::ffff:"), value[1]) if isinstance(value, tuple) else value


def _is_loopback(address: Any) -> bool:
    return bool(address[1]) and (address[0].startswith("127.") or address[0] == "::1")


def is_in_accept_queue(name: Name) -> bool:
    """Return True if the other end of a TCP socket exists, and nobody has accepted it yet.

    An end that was closed has no inode either. But it has ended its stream, too.
    """
    _, (host, port), (other_host, other_port) = name
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = [one.to_bytes(2, "big") for one in (other_port, port)]
    try:
        ends = [socket.inet_pton(family, one) for one in (other_host, host)]
        request = (family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF, *ports, *ends, 0, _ANY_COOKIE)
        answer = _ask_kernel(_TCP_REQUEST.pack(*request))
    except OSError:  # for example, an address with the name of an interface
        answer = None
    if answer is None:
        return False
    _, state, inode = _TCP_ANSWER.unpack_from(answer)
    return inode == 0 and state in (_ESTABLISHED, _CLOSE_WAIT)


def _inode_of_peer(inode: int) -> int:
    """Return the inode of the Unix socket that another one is connected to; 0 if not known."""
    answer = _ask_kernel(
        _UNIX_REQUEST.pack(socket.AF_UNIX, 0, 0, 0xFFFFFFFF, inode, _UDIAG_SHOW_PEER, _ANY_COOKIE)
    )
    at = _UNIX_ANSWER.size
    while answer is not None and at < len(answer):
        size, kind = _ATTRIBUTE.unpack_from(answer, at)
        if kind == _UNIX_DIAG_PEER:
            return int.from_bytes(answer[at + _ATTRIBUTE.size : at + size], "little")
        at += size + -size % 4
    return 0


def _ask_kernel(request: bytes) -> bytes | None:
    """Ask for one socket, as ``sock_diag(7)`` describes. Return the answer; None if it has none.

    Raises `OSError` if the system doesn't allow that.
    """
    with closing(
        socket.SocketType(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
    ) as kernel:
        kernel.send(_HEAD.pack(_HEAD.size + len(request), _DIAG_BY_FAMILY, 1, 0, 0) + request)
        answer = kernel.recv(4096, socket.MSG_DONTWAIT)
    return None if _HEAD.unpack_from(answer)[1] == _NETLINK_ERROR else answer[_HEAD.size :]
