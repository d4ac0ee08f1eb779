"""What a pod with a way out, or with a port of the host, may not reach: the host itself and the harness.

On the platform such a pod reaches the internet and the site's network, but not the cluster (services 3.4). On an
engine the host is one hop away, so its addresses and all networks of the engine are closed one by one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

from harness.incluster.controlplane.routing_rules import RoutingRule
from harness.wire import subnets

# this network, link-local addresses (where clouds keep credentials), multicast and broadcast: neighbours of the host;
# and where networks of environments may be made later
_NEVER: Final = ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32", subnets.RANGE)
_SITE: Final = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
_EVERYTHING: Final = "0.0.0.0/0"
# the networks of the harness have no IPv6
_EVERYTHING_V6: Final = "::/0"
_DNS: Final = 53
_LOCAL = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)\s+/32 host LOCAL")
_NAMESERVER = re.compile(r"^nameserver\s+(\S+)\s*$", re.MULTILINE)

SURVEY: Final = ["cat", "/proc/net/fib_trie", "/etc/resolv.conf"]
"""Command that runs in the host's network; :meth:`EngineHost.read` reads its output."""


class EngineHost(NamedTuple):
    """The engine's host in its networks.

    Attributes:
        addresses: its own, those of loopback left out.
        resolvers: the engine's name servers.
    """

    addresses: frozenset[str]
    resolvers: frozenset[str]

    @classmethod
    def read(cls, survey: str) -> EngineHost:
        """Read the output of :data:`SURVEY`."""
        found = {address for address in _LOCAL.findall(survey) if not ipaddress.ip_address(address).is_loopback}
        servers = {text for text in _NAMESERVER.findall(survey) if _is_outside(text)}
        return cls(frozenset(found), frozenset(servers))


class EngineNetwork(NamedTuple):
    """A network of the engine: its IPv4 prefix, and the address that the host has or would have on it."""

    prefix: str
    gateway: str


class Egress(NamedTuple):
    """A pod's place on the network that leads out.

    Attributes:
        gateway: address of the host on it.
        way_out: the pod has the label; otherwise the network is only for its published ports.
        ports: protocol and number of those.
    """

    gateway: str
    way_out: bool
    ports: tuple[tuple[str, int], ...]


def egress_rules(
    egress: Egress, host: EngineHost, *, joined: Collection[EngineNetwork], others: Iterable[EngineNetwork], site: bool
) -> list[RoutingRule]:
    """Return the rules that guard the pod's network.

    Args:
        egress: the pod's place.
        host: the engine's host.
        joined: networks without a way out on which the pod is.
        others: all networks of the engine.
        site: whether private addresses of the site may be reached.
    """
    found = [RoutingRule(f"{network.gateway}/32") for network in joined if network.gateway]
    found += [RoutingRule(network.prefix, allowed=True) for network in joined]
    # the host's end of a connection to a published port
    found += [RoutingRule(f"{egress.gateway}/32", True, protocol, source_port=port) for protocol, port in egress.ports]
    if egress.way_out:
        found += [
            RoutingRule(f"{server}/32", True, protocol, port=_DNS)
            for server in sorted(host.resolvers)
            for protocol in ("udp", "tcp")
        ]
        closed = [
            *_NEVER,
            *sorted(f"{address}/32" for address in host.addresses),
            *sorted({network.prefix for network in others}),
        ]
        found += [RoutingRule(prefix) for prefix in (*closed, *(() if site else _SITE))]
    else:
        found.append(RoutingRule(_EVERYTHING))
    return [*found, RoutingRule(_EVERYTHING_V6)]


def read_networks(record: dict[str, Any]) -> list[EngineNetwork]:
    """Return the IPv4 networks in the engine's record of a network."""
    entries = (record.get("IPAM") or {}).get("Config") or ()
    found = [EngineNetwork(str(entry.get("Subnet") or ""), str(entry.get("Gateway") or "")) for entry in entries]
    return [network for network in found if network.prefix and ":" not in network.prefix]


def _is_outside(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.version == 4 and not address.is_loopback
