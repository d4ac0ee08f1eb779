# mypy: disable-error-code="import-not-found"
"""The database role, and the platform's initial data of a new Airflow database."""

from __future__ import annotations

import glob
import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

DATA_DIR: Final = "/var/lib/postgresql/data"

POOLS: Final = {
    # The platform fills NODE_RAM with the node's megabytes (runtime 2.4), and a task that asks for more than the
    # pool holds waits for ever without a word. Here memory is limited by the pods' own limits, so the pool is wide.
    "NODE_RAM": 1_000_000,
    "NODE_CPU_CORES": 1,
    "NODE_GPU_COUNT": 0,
}

_SETTINGS: Final = {
    # a test's database need not survive a power cut
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "*",
    # a running task holds two
    "max_connections": "200",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "autovacuum_naptime": "10min",
    "logging_collector": "off",
    # a read-only or foreign /var/run must not keep it from starting
    "unix_socket_directories": "/tmp",
}

_HBA: Final = "local all all trust\nhost all all all scram-sha-256\n"


def ensure_pools() -> None:
    """Create the pools and the Variable that Kaapana's bootstrap makes, where they are missing (runtime 2.3)."""
    from airflow.models import Pool, Variable
    from airflow.utils.session import create_session

    with create_session() as session:
        present = {pool.pool for pool in session.query(Pool)}
        for name, slots in POOLS.items():
            if name not in present:
                session.add(Pool(pool=name, slots=slots, description="", include_deferred=False))
        if os.environ.get("GPU_SUPPORT", "").lower() == "true":
            session.flush()
            session.query(Pool).filter(Pool.pool == "NODE_GPU_COUNT", Pool.slots == 0).update({Pool.slots: 1})
        if Variable.get("enable_job_scheduler", default_var=None) is None:
            Variable.set("enable_job_scheduler", "True", session=session)


def postgres_command(data_dir: str = DATA_DIR, *, port: int = 5432, hba_file: str) -> list[str]:
    """Return the command line of the newest PostgreSQL of this image.

    Raises:
        FileNotFoundError: this image holds no PostgreSQL.
    """
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda path: int(path.split("/")[4]))
    if not found:
        raise FileNotFoundError("no PostgreSQL in this image (/usr/lib/postgresql/*/bin/postgres)")
    command = [found[-1], "-D", data_dir, "-p", str(port), "-c", f"hba_file={hba_file}"]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    return command


def serve(data_dir: str = DATA_DIR, *, port: int = 5432) -> int:
    """Run PostgreSQL in the foreground; returns its exit status.

    A container is stopped with SIGTERM, on which PostgreSQL waits for its clients; it is passed on as SIGINT,
    PostgreSQL's fast shutdown.
    """
    hba_file = Path("/tmp/harness_pg_hba.conf")
    hba_file.write_text(_HBA, "utf-8")
    hba_file.chmod(0o644)
    # the files of a process that was killed do not belong to anyone any more
    Path(data_dir, "postmaster.pid").unlink(missing_ok=True)
    command = postgres_command(data_dir, port=port, hba_file=str(hba_file))
    user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
    server = subprocess.Popen(
        command,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )

    def stop(_signum: int, _frame: object) -> None:
        server.send_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    status = server.wait()
    print(f"postgres ended with status {status}", file=sys.stderr)
    return status
