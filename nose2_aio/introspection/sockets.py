"""The names of sockets and transports in reports: ``the socket to 127.0.0.1:46417``."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from typing import Any

__all__ = [
    "address",
    "ends_of_file",
    "is_of_child",
    "name_of_file",
    "name_of_socket",
    "name_of_transport",
    "open_files",
    "opened",
]

_OPEN_FILES = "/proc/self/fd"
"""The directory on Linux that has a link for each open file of this process."""


def address(value: Any) -> str:
    """Return the address of a socket as text: ``127.0.0.1:80``, ``[::1]:80``, or a path."""
    if isinstance(value, tuple) and len(value) > 1:
        host = f"[{value[0]}]" if ":" in str(value[0]) else value[0]
        return f"{host}:{value[1]}"
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text.lstrip("\0")


def ends_of_file(descriptor: int) -> tuple[Any, Any] | None:
    """Return the addresses of both ends of a connected socket; None for other files."""
    try:
        with opened(descriptor) as one:
            return one.getsockname(), one.getpeername()
    except OSError:
        return None


def name_of_transport(transport: Any) -> str:
    """Return the name of what a transport is connected to."""
    peer = None if transport is None else transport.get_extra_info("peername")
    if peer:
        return f"the socket to {address(peer)}"
    own = None if transport is None else transport.get_extra_info("socket")
    return "a pipe" if own is None else name_of_socket(own)


def name_of_socket(one: Any) -> str:
    """Return the name of a socket: what it is connected to, or its own address."""
    try:
        return f"the socket to {address(one.getpeername())}".removesuffix(" to ")
    except OSError:
        pass
    try:
        is_listening = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        kind = "listening socket" if is_listening else "socket"
        return f"the {kind} at {address(one.getsockname())}".removesuffix(" at ")
    except OSError:
        return "a closed socket"


def is_of_child(descriptor: int) -> bool:
    """Return True if a file becomes ready when a child process ends."""
    try:
        name = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 -- a text
    except OSError:
        return False
    return name == "anon_inode:[pidfd]"


def name_of_file(descriptor: int) -> str:
    """Return the name of the file, pipe or socket with a file descriptor."""
    try:
        with opened(descriptor) as one:
            return name_of_socket(one)
    except OSError:
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                return f"the pipe {descriptor}"
        return f"the file {descriptor}"


@contextlib.contextmanager
def opened(descriptor: int) -> Iterator[socket.SocketType]:
    """Yield a socket object for the descriptor of a socket that somebody else will close.

    Raises `OSError` if it isn't a socket.
    """
    copied = os.dup(descriptor)
    try:
        one = socket.SocketType(fileno=copied)  # tests may replace socket.socket
    except OSError:
        os.close(copied)
        raise
    try:
        yield one
    finally:
        one.close()


def open_files() -> dict[int, tuple[int, int]]:
    """Return the device and the inode of each open file of this process, by descriptor.

    Return nothing if the system is not Linux.
    """
    found = {}
    with contextlib.suppress(OSError, ValueError):  # a test may have replaced ``os.listdir``
        for name in os.listdir(_OPEN_FILES):  # noqa: PTH208 -- only the names are needed
            with contextlib.suppress(OSError):  # the directory itself is closed by now
                info = os.fstat(int(name))
                found[int(name)] = (info.st_dev, info.st_ino)
    return found
