"""``python -m tests.engines.matrix``: run the suites of this repository on several container engines in turn.

Each row of ``rows.toml`` is an engine in a root file system and in namespaces of its own (process ids, network,
mounts). Nothing of it is on the machine but a network device, three rules of iptables and a folder, and those are
removed by a process that outlives the runner (:mod:`tests.engines.matrix.keeper`), or by the next call.

    rows        what is asked for                     rows.toml
    machine     what this machine lacks for it
    rootfs      a distribution's suite in a folder    compiled: a daemon that no suite has
    namespace   where an engine and its user live     init: its first process; enter: into another root
    traces      what of it is on the machine          keeper: removes that when the runner is gone
    engine      the daemon, and what it says of itself      rootless: how a user starts it
    trial       what is run on it                     archive: images out of one engine and into another; timing
    table       the outcome
"""
