"""Services that kernels may use besides the notebook: parts of the harness, reached over a socket.

A kernel finds its sockets connected, each at the number that the configuration gives it. It can't open another one, and
nothing is looked up by name. The protocol on a socket is up to the service.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from typing import Protocol

from scribe_suite.errors import InfrastructureError

#: Possible numbers of a service's socket in a kernel: above those that the notebook itself uses.
FIRST_SERVICE, LAST_SERVICE = 10, 31


class Service(Protocol):
    """Something that serves kernels."""

    def connect(self, session: str) -> socket.socket:
        """A connected stream socket for a kernel that is about to start; the caller closes it.

        It is called in the notebook's event loop, so it must not wait for anything.

        Args:
            session: Id of the session that the kernel is started for.

        Raises:
            InfrastructureError: When the service is gone.
            OSError: When there is no descriptor left.
        """


class ServiceConnections:
    """The kernel's ends of the connections of one kernel.

    The harness keeps them until the kernel has ended, so that it can close them for every process that got one.

    Args:
        services: The services, by the number of the socket in the kernel.
        session: As in `Service.connect`.

    Raises:
        InfrastructureError: As in `Service.connect`, and with cause ``kernel_start`` when there is no descriptor left.
    """

    def __init__(self, services: Mapping[int, Service], session: str) -> None:
        self._sockets: dict[int, socket.socket] = {}
        try:
            for number, service in services.items():
                self._sockets[number] = service.connect(session)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                message = f"The kernel could not be connected to what it needs: {error}."
                raise InfrastructureError("kernel_start", message) from error
            raise

    @property
    def descriptors(self) -> dict[int, int]:
        """The harness's descriptor of each, by the kernel's number."""
        return {number: connection.fileno() for number, connection in self._sockets.items()}

    def close(self) -> None:
        """End all connections, in the kernel as well. May be called twice."""
        while self._sockets:
            _number, connection = self._sockets.popitem()
            with contextlib.suppress(OSError):  # the service has ended it already
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
