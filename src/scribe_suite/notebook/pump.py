"""Connects stdin and stdout to a unix socket; an MCP client launches it to reach a notebook server.

Usage: ``python -S -E pump.py SOCKET``. Standard library only, so that it starts in a few hundredths of a second and
needs no virtual environment. The end of stdin is passed on (the server may still send replies); the end of either the
socket or stdout ends the pump.
"""

from __future__ import annotations

import os
import select
import socket
import sys

CHUNK = 1 << 16


def pump(path: str, source: int, sink: int) -> int:
    """Copy both ways until the server closes the connection or the output is no longer read.

    Args:
        path: Unix socket.
        source: File descriptor to read from.
        sink: File descriptor to write to.

    Returns:
        Exit code: 0, or 1 when the socket can't be reached.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError as error:
        os.write(2, f"The notebook server at {path} can't be reached: {error.strerror}.\n".encode())
        return 1
    poller = select.poll()
    poller.register(source, select.POLLIN)
    poller.register(connection, select.POLLIN)
    poller.register(sink, 0)  # only errors: the reader of our output went away
    try:
        while True:
            for descriptor, event in poller.poll():
                if descriptor == sink and event & (select.POLLERR | select.POLLHUP) and sink != source:
                    return 0
                if descriptor == source:
                    data = os.read(source, CHUNK)
                    if data:
                        connection.sendall(data)
                    else:
                        poller.unregister(source)
                        connection.shutdown(socket.SHUT_WR)
                elif descriptor == connection.fileno():
                    data = connection.recv(CHUNK)
                    if not data:
                        return 0
                    while data:
                        data = data[os.write(sink, data) :]
    except (BrokenPipeError, ConnectionResetError):
        return 0
    finally:
        connection.close()


def main() -> int:
    """Run the pump for the socket named on the command line."""
    if len(sys.argv) != 2:
        os.write(2, b"Usage: pump.py SOCKET\n")
        return 2
    return pump(sys.argv[1], 0, 1)


if __name__ == "__main__":
    sys.exit(main())
