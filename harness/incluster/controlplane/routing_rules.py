"""``python -m harness.incluster.controlplane.routing_rules RULES``: close networks to the pod of this network.

It runs in the container that holds a pod's network, which may set rules there; the containers of the pod join it
afterwards and may not. A rule of the kernel's routing policy needs no support of the engine's host.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import socket
import struct
import sys
from collections.abc import Iterable
from typing import Final, NamedTuple

# rtnetlink(7), linux/fib_rules.h
_NEW_RULE: Final = 32
_REQUEST_NEW: Final = 0x0001 | 0x0004 | 0x0200 | 0x0400
_TO_TABLE, _PROHIBIT = 1, 8
_MAIN_TABLE: Final = 254
_DESTINATION, _PRIORITY, _PROTOCOL, _SOURCE_PORTS, _DESTINATION_PORTS = 1, 6, 22, 23, 24
_HEADER = struct.Struct("=IHHII")
_RULE = struct.Struct("=BBBBBBBBI")
_ERROR = struct.Struct("=i")
# behind the table of local addresses, before all others
_FIRST_PRIORITY: Final = 100
PROTOCOLS: Final = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}


class RoutingRule(NamedTuple):
    """What becomes of packets to a network; the first rule that fits decides.

    Attributes:
        to: the network, e.g. ``169.254.0.0/16``.
        allowed: packets follow the ordinary routes; otherwise sending fails.
        protocol: ``tcp`` or ``udp``; empty: every one.
        source_port: of the sender; 0: any.
        port: of the receiver; 0: any.
    """

    to: str
    allowed: bool = False
    protocol: str = ""
    source_port: int = 0
    port: int = 0


def rule_message(rule: RoutingRule, priority: int) -> bytes:
    """Return the request by which the kernel adds a rule."""
    network = ipaddress.ip_network(rule.to)
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    table, action = (_MAIN_TABLE, _TO_TABLE) if rule.allowed else (0, _PROHIBIT)
    body = _RULE.pack(family, network.prefixlen, 0, 0, table, 0, 0, action, 0)
    body += _attribute(_PRIORITY, struct.pack("=I", priority))
    if network.prefixlen:
        body += _attribute(_DESTINATION, network.network_address.packed)
    if rule.protocol:
        body += _attribute(_PROTOCOL, bytes([PROTOCOLS[rule.protocol]]))
    for kind, port in ((_SOURCE_PORTS, rule.source_port), (_DESTINATION_PORTS, rule.port)):
        if port:
            body += _attribute(kind, struct.pack("=HH", port, port))
    return _HEADER.pack(_HEADER.size + len(body), _NEW_RULE, _REQUEST_NEW, priority, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def add_rules(rules: Iterable[RoutingRule]) -> None:
    """Add rules to the network that this process is in.

    Raises:
        OSError: the kernel refuses one.
    """
    with contextlib.closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)) as kernel:
        kernel.bind((0, 0))
        for number, rule in enumerate(rules):
            kernel.send(rule_message(rule, _FIRST_PRIORITY + number))
            code = -_ERROR.unpack_from(kernel.recv(1 << 16), _HEADER.size)[0]
            if code == errno.EAFNOSUPPORT and ":" in rule.to:
                # a kernel without IPv6 has nothing to be kept from there
                continue
            if code:
                raise OSError(code, f"{errno.errorcode.get(code, code)} for {rule}")


def main(arguments: list[str]) -> int:
    """Add the rules; exit status 1 says that the kernel refuses one."""
    try:
        add_rules(RoutingRule(*entry) for entry in json.loads(arguments[0]))
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
