"""Namespaces for one engine and its user: process ids, network, mounts.

Their first process ends with the runner, and all others with it; the mounts and the network go with the last of them.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from harness.errors import PlatformError
from tests.engines.matrix import machine
from tests.engines.matrix.traces import Traces, started

_LINKS = ipaddress.ip_network("10.213.0.0/16")
# with the runner ends unshare, with unshare the first process, with that all others and their mounts
TIED: Final = (
    *("setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child=KILL"),
    *("--mount", "--pid", "--mount-proc"),
)
_REPOSITORY = Path(__file__).parents[3]


class Namespace:
    """Made by :func:`opened`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def command(self, words: Sequence[str], *, mounts: bool = False) -> list[str]:
        """Return the command line that runs another one in here.

        Args:
            words: the command.
            mounts: in a namespace of mounts that it alone is in.
        """
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--net", "--pid"]
        # the working folder is to be one of these mounts; what was started in the background ignores interrupts
        begin = ["env", "-C", str(_REPOSITORY), "--default-signal=INT,QUIT"]
        return [*enter, *(["unshare", "--mount"] if mounts else []), *begin, *words]

    def start(
        self, words: Sequence[str], environ: Mapping[str, str], output: int | IO[bytes], *, mounts: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a command in here; its output and errors go to one file."""
        return subprocess.Popen(
            self.command(words, mounts=mounts),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environ),
        )


def signal_inside(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to what :meth:`Namespace.start` has started: the only child of ``nsenter``, which waits for it."""
    with contextlib.suppress(OSError):
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split():
            os.kill(int(pid), number)


def free_link(routes: Sequence[Mapping[str, Any]]) -> ipaddress.IPv4Network:
    """Return a network of two addresses that no route of the machine leads to but the default one.

    Args:
        routes: what ``ip -json route show table all`` says.
    """
    taken = []
    for route in routes:
        with contextlib.suppress(ValueError):
            taken.append(ipaddress.ip_network(str(route["dst"]), strict=False))
    for link in _LINKS.subnets(new_prefix=30):
        if not any(net.version == 4 and net.prefixlen and link.overlaps(net) for net in taken):
            return ipaddress.IPv4Network(link)
    raise PlatformError(f"every network of {_LINKS} is in use on this machine")


def plan(number: str) -> tuple[ipaddress.IPv4Network, Traces]:
    """Return the network of a namespace, and what of it will be on the machine.

    Args:
        number: few signs that tell it from others.
    """
    link = free_link(json.loads(_said("ip", "-json", "route", "show", "table", "all")))
    device = f"khe{number}"
    note = ["-m", "comment", "--comment", f"kaapana-harness engines {number}"]
    rules = [
        ["nat", "POSTROUTING", "-s", str(link), "!", "-o", device, *note, "-j", "MASQUERADE"],
        ["filter", "FORWARD", "-i", device, *note, "-j", "ACCEPT"],
        ["filter", "FORWARD", "-o", device, *note, "-j", "ACCEPT"],
    ]
    return link, Traces(rules=rules, device=device)


@contextlib.contextmanager
def opened(link: ipaddress.IPv4Network, traces: Traces, record: Path) -> Iterator[Namespace]:
    """Make namespaces for the length of the block, connected to the machine's network.

    Args:
        link: the network between both.
        traces: what of it will be on the machine; gets the first process.
        record: the file that the traces are in.
    """
    process = subprocess.Popen(
        [*TIED, "--net", sys.executable, "-m", "tests.engines.matrix.init"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=_REPOSITORY,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise PlatformError("this machine makes no namespaces", last_seen="unshare ended at once")
        pid = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii"))
        traces.process = (pid, started(pid))
        traces.write(record)
        _connect(pid, link, traces)
        yield Namespace(pid)
    finally:
        process.kill()
        process.wait()


def _connect(pid: int, link: ipaddress.IPv4Network, traces: Traces) -> None:
    outer, inner = (f"{address}/{link.prefixlen}" for address in link.hosts())
    _said("ip", "link", "add", traces.device, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    _said("ip", "address", "add", outer, "dev", traces.device)
    _said("ip", "link", "set", traces.device, "up")
    for table, chain, *words in traces.rules:
        # before the rules of engines, which let nothing through
        _said("iptables", "--wait", "10", "--table", table, "--insert", chain, *words)
    enter = ("nsenter", "--target", str(pid), "--net")
    gateway = outer.partition("/")[0]
    for line in (
        "link set lo up",
        f"address add {inner} dev eth0",
        "link set eth0 up",
        f"route add default via {gateway}",
    ):
        _said(*enter, "ip", *line.split())
    resolver = machine.resolver()
    own = os.path.realpath("/etc/resolv.conf")
    if resolver is not None and os.path.realpath(resolver) != own:
        _said("nsenter", "--target", str(pid), "--mount", "mount", "--bind", str(resolver), own)


def _said(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PlatformError(f"{' '.join(command)}: exit status {done.returncode}", last_seen=done.stderr.strip())
    return done.stdout
