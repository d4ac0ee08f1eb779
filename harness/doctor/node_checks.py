"""What nodes of kind need beside what every cluster needs: from facts to checks, as in :mod:`harness.doctor.checks`."""

from __future__ import annotations

from harness.doctor.checks import DELEGATE, MISSING, OK, WARNING, Check
from harness.doctor.facts import Facts
from harness.settings import how_to_set

# Of root, as it counts. Measured with Kubernetes 1.34: 28 instances on a first node, 15 of them by programs that every
# node has, and 330 watches without pods of runs. The rest is for what else root runs on the machine.
_INSTANCES_OF_MACHINE, _INSTANCES_OF_FIRST_NODE, _INSTANCES_OF_NODE = 24, 32, 16
_WATCHES_OF_MACHINE, _WATCHES_OF_NODE = 1024, 1024
# what the documentation of kind advises
_GOOD_INSTANCES, _GOOD_WATCHES = 512, 524_288
_RAISE = f"sysctl -w fs.inotify.max_user_instances={_GOOD_INSTANCES} fs.inotify.max_user_watches={_GOOD_WATCHES}"
_KEPT = "a line for each in /etc/sysctl.d keeps it over a restart"
_MOVE = (
    'set "data-root" in /etc/docker/daemon.json to a folder on ext4 or xfs and restart the engine, '
    f"or use {how_to_set('cluster', 'docker')}"
)


def decide_nodes(facts: Facts, nodes: int = 1) -> list[Check]:
    """Return the checks for a cluster of kind; ``missing``: it cannot be made here.

    Args:
        facts: one look at the machine.
        nodes: how many it is to have.
    """
    return [_check_command(facts.docker_problem), _inotify(facts, nodes), _data(facts), *_check_delegation(facts)]


def _check_command(problem: str) -> Check:
    name = "docker command"
    if not problem:
        return Check(name, OK, "reaches the engine")
    return Check(
        name,
        MISSING,
        f"kind calls docker, but {problem}",
        "install a docker command as new as the engine (Debian 13: apt-get install docker-cli)",
    )


def _inotify(facts: Facts, nodes: int) -> Check:
    name = "inotify limits"
    given = (facts.inotify_instances, facts.inotify_watches)
    if given[0] is None or given[1] is None:
        return Check(name, OK, "unknown")
    needed = (
        _INSTANCES_OF_MACHINE + _INSTANCES_OF_FIRST_NODE + (nodes - 1) * _INSTANCES_OF_NODE,
        _WATCHES_OF_MACHINE + nodes * _WATCHES_OF_NODE,
    )
    detail = f"{given[0]} instances and {given[1]} watches of a user"
    if given[0] >= needed[0] and given[1] >= needed[1]:
        return Check(name, OK, detail)
    of = "a node" if nodes == 1 else f"{nodes} nodes"
    sudo = "" if facts.root else "sudo "
    return Check(
        name,
        MISSING,
        f"{detail}, {of} of kind needs {needed[0]} and {needed[1]}: its programs fail with 'too many open files'",
        f"{sudo}{_RAISE}  ({_KEPT})",
    )


def _data(facts: Facts) -> Check:
    name = "data root"
    inside = facts.engine.inside
    driver, kind = (inside.driver if inside else ""), facts.data_file_system
    if driver == "zfs":
        return Check(
            name,
            MISSING,
            "the engine keeps its images by ZFS: nodes of kind cannot lay out theirs by overlayfs there",
            _MOVE,
        )
    for unusual in ("zfs", "btrfs"):
        if unusual in (driver, kind):
            return Check(name, WARNING, f"the engine's data is on {unusual}, where nodes of kind may not start", _MOVE)
    return Check(name, OK, kind or "unknown")


def _check_delegation(facts: Facts) -> list[Check]:
    inside = facts.engine.inside
    if inside is None or not inside.rootless or not inside.unlimited:
        return []
    detail = f"a rootless engine without limits for {', '.join(inside.unlimited)}: kubelets in its containers need them"
    return [Check("control groups", MISSING, detail, DELEGATE)]
