"""Which addresses a device may talk to: https, or http on this very machine.

Plain http would show tokens and shapes of traffic to everyone on the way; on loopback there is no way to be on.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def server_address(text: str) -> str:
    """The address of a case system as `https://host[:port][/path]` without a trailing slash.

    Raises ValueError for anything else: another scheme, http to another machine, a user name, a query, a fragment.
    """
    parts = urlsplit(text.strip())
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the server's address has no valid port") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("the server's address begins with https://")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the server's address holds more than host, port and path")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("http:// is for this machine only; use https://")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """True when the host is this machine by its name or number."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
