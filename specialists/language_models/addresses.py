"""Where a model's server may be: inside. The documents of an organization go to it with every question."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from specialists.errors import SpecialistError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PORTS = {"http": 80, "https": 443}


def read_networks(names: Sequence[str]) -> tuple[Network, ...]:
    """Raises SpecialistError `bad_network`."""
    try:
        return tuple(ipaddress.ip_network(name) for name in names)
    except ValueError as error:
        message = f"LANGUAGE_MODEL_NETWORKS: {error}. Give networks such as 10.0.0.0/8, with commas between them."
        raise SpecialistError("bad_network", message, permanent=True) from error


def check_inside(url: str, networks: Sequence[Network]) -> None:
    """All addresses of the URL's host are in the networks, or SpecialistError: `model_outside`, `bad_address`, and
    `model_unreachable` while its name has no address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        host, port = None, 0
    if not host or parts.scheme not in PORTS or parts.username or parts.query or parts.fragment:
        message = "LANGUAGE_MODEL_URL must be an address such as http://10.0.0.5:8000/v1, without user name or query."
        raise SpecialistError("bad_address", message, permanent=True)
    try:
        found = {item[4][0] for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        message = f"The language model's host {host} has no address. Check LANGUAGE_MODEL_URL and the name service."
        raise SpecialistError("model_unreachable", message) from error
    for name in sorted(str(address) for address in found):
        if not _is_in(name, networks):
            message = (
                f"The language model's host {host} is at {name}, outside the networks that questions and documents may go to. "
                "Run it inside, or name its network in LANGUAGE_MODEL_NETWORKS."
            )
            raise SpecialistError("model_outside", message, permanent=True)


def _is_in(name: str, networks: Sequence[Network]) -> bool:
    address = ipaddress.ip_address(name.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in networks)
