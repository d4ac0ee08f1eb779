"""Ranges of addresses for an environment's networks where the engine's own are used up.

Docker has 31 ranges for all networks that do not name one, unless its daemon.json says otherwise.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final

RANGE: Final = "198.18.0.0/16"
"""Reserved for tests of network devices (RFC 2544): neither the internet nor a site has addresses in it."""
_PREFIX_LENGTH = 23
# the words of Docker 20.10, of newer ones, and of podman
_USED_UP = re.compile(r"available.* address pool|predefined address pools|free subnet from subnet pools", re.IGNORECASE)
_TAKEN = re.compile(r"overlap|already (?:used|in use)", re.IGNORECASE)


def are_used_up(refusal: str) -> bool:
    """Return whether an engine refuses a network because it has no range left for one."""
    return bool(_USED_UP.search(refusal))


def is_taken(refusal: str) -> bool:
    """Return whether an engine refuses a network because another has taken its range."""
    return bool(_TAKEN.search(refusal))


def find_free(taken: Iterable[str]) -> Iterator[str]:
    """Yield ranges in :data:`RANGE`.

    Args:
        taken: ranges of the engine's networks, of either version of IP.
    """
    networks = [network for network in map(ipaddress.ip_network, taken) if network.version == 4]
    for subnet in ipaddress.ip_network(RANGE).subnets(new_prefix=_PREFIX_LENGTH):
        if not any(subnet.overlaps(network) for network in networks):
            yield str(subnet)
