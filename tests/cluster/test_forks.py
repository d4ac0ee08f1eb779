"""Children of a process that owns an environment."""

from __future__ import annotations

import os

from harness.cluster import forks


class Pipe:
    """A handle whose writing end a child of this process inherits."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def forget(self) -> None:
        os.close(self.writing)


def test_a_forked_child_does_not_keep_what_its_parent_holds_open() -> None:
    pipe = Pipe()
    forks.forget_when_forked(pipe)
    go_on_reading, go_on = os.pipe()
    child = os.fork()
    if not child:
        os.read(go_on_reading, 1)
        os._exit(0)
    try:
        os.close(pipe.writing)
        # the end of the stream, although the child still lives
        assert os.read(pipe.reading, 1) == b""
    finally:
        os.write(go_on, b"x")
        os.waitpid(child, 0)
        for descriptor in (pipe.reading, go_on_reading, go_on):
            os.close(descriptor)
