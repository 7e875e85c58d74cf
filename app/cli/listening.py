"""The address that the server processes share."""

import errno
import socket

from app.settings import Settings

BACKLOG = 2048


class PortError(Exception):
    """The address cannot be listened on. The message names the setting to change."""


def listening_socket(settings: Settings) -> socket.socket:
    """A socket bound to host and port beside those of the other processes (SO_REUSEPORT).

    The kernel spreads new connections over all of them. Raises PortError.
    """
    return _bound(settings, shared=True)


def require_free_port(settings: Settings) -> None:
    """Raises PortError if somebody listens there: sharing the port would hide it."""
    _bound(settings, shared=False).close()


def _bound(settings: Settings, *, shared: bool) -> socket.socket:
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PortError(f"DESKBELL_HOST: {host} is no address of this machine ({error.strerror}).") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise PortError(_reason(error, host, port)) from None
    bound.setblocking(False)
    return bound


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken: stop what listens there, or set DESKBELL_PORT to another."
    if error.errno == errno.EACCES:
        return f"Port {port} is only for privileged users: set DESKBELL_PORT to one above 1023."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"DESKBELL_HOST: {host} is no address of this machine."
    return f"Cannot listen on {host} port {port}: {error.strerror}; see DESKBELL_HOST and DESKBELL_PORT."
