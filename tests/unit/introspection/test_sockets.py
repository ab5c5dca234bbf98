"""nose2_aio.introspection.sockets"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any
from unittest import TestCase, mock

from nose2_aio.introspection import sockets


class Names(TestCase):
    """The names of sockets, files and transports."""

    def test_addresses(self) -> None:
        """An address is shown as it is written."""
        for value, expected in (
            (("127.0.0.1", 80), "127.0.0.1:80"),
            (("::1", 80, 0, 0), "[::1]:80"),
            ("/tmp/x.sock", "/tmp/x.sock"),
            (b"\0abstract", "abstract"),
        ):
            self.assertEqual(sockets.address(value), expected)

    def test_child(self) -> None:
        """The file that tells the end of a process is recognized."""
        for descriptor, expected in ((-1, False), (0, False)):
            self.assertEqual(sockets.is_of_child(descriptor), expected)
        if sys.platform == "linux":
            descriptor = os.pidfd_open(os.getpid())
            self.addCleanup(os.close, descriptor)
            self.assertTrue(sockets.is_of_child(descriptor))

    def test_sockets(self) -> None:
        """A socket is named after its other end, or else after its own address."""
        with socket.socket() as server, socket.socket() as client:
            server.bind(("127.0.0.1", 0))
            name = f"127.0.0.1:{server.getsockname()[1]}"
            self.assertEqual(sockets.name_of_socket(server), f"the socket at {name}")
            self.assertIsNone(sockets.ends_of_file(server.fileno()))
            server.listen()
            self.assertEqual(
                sockets.name_of_file(server.fileno()), f"the listening socket at {name}"
            )
            client.connect(server.getsockname())
            self.assertEqual(sockets.name_of_file(client.fileno()), f"the socket to {name}")
            expected = client.getsockname(), server.getsockname()
            self.assertEqual(sockets.ends_of_file(client.fileno()), expected)
        self.assertEqual(sockets.name_of_socket(server), "a closed socket")
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        before = sockets.open_files()
        self.assertEqual(sockets.name_of_file(reader), f"the pipe {reader}")
        self.assertIsNone(sockets.ends_of_file(reader))
        self.assertEqual(sockets.open_files(), before)
        with mock.patch("os.listdir", return_value=["replaced.txt"]):
            self.assertEqual(sockets.open_files(), {})
        with Path(__file__).open() as file:
            self.assertEqual(sockets.name_of_file(file.fileno()), f"the file {file.fileno()}")

    def test_transports(self) -> None:
        """A transport is named after its peer or its socket."""
        with socket.socketpair()[0] as one:
            for extra, expected in (
                ({"peername": ("10.0.0.1", 5)}, "the socket to 10.0.0.1:5"),
                ({"peername": "", "socket": one}, "the socket"),
                ({}, "a pipe"),
            ):
                found: dict[str, Any] = extra
                transport = mock.Mock(get_extra_info=found.get)
                self.assertEqual(sockets.name_of_transport(transport), expected)
        self.assertEqual(sockets.name_of_transport(None), "a pipe")
