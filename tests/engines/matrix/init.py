"""The first process of a row's namespaces: takes in the processes whose parents have ended, and does nothing else."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Wait for children forever. The kernel ends all processes of the namespace with this one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    print("ready", flush=True)
    while True:
        signal.sigwait({signal.SIGCHLD})
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            pass


if __name__ == "__main__":
    main()
