"""Sockets that listen at every address of a host."""

from __future__ import annotations

import errno
import socket

#: What says that this machine has no such family of addresses, which is no reason not to serve the other one.
_NO_SUCH_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def bind(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at all addresses of a host ("" is every interface), all at the port of the first.

    Raises OSError where one of them cannot be had.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, _, _, _, address in sorted(set(found)):  # IPv4 first
            taken = bound[0].getsockname()[1] if bound else port
            try:
                bound.append(socket.create_server((address[0], taken), family=family, backlog=socket.SOMAXCONN))
            except OSError as error:
                if error.errno not in _NO_SUCH_FAMILY or not bound:
                    raise
    except OSError:
        for listening in bound:
            listening.close()
        raise
    for listening in bound:
        listening.setblocking(False)
    return bound
