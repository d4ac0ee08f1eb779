"""The container of the control plane: its network, its start, and the wait until it is ready."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cluster import ledger
from harness.doctor import require_engine
from harness.engine import leftovers, networks, own_socket, reading_configuration
from harness.errors import EngineError, PlatformError, UsageError
from harness.kube import ApiError, KubeApi
from harness.kube.errors import Unavailable
from harness.wire import control_plane_routes
from harness.wire.container_logs import READABLE_LOG
from harness.wire.control_plane import LISTENS, ControlPlaneOrder
from harness.wire.labels import LABEL_ROLE
from harness.wire.names import API_PORT
from harness.wire.polling import Polling

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

_COMMAND = ["python", "-m", "harness.incluster.controlplane"]
# to remove files of pods of any user, and to answer for names
_CAPABILITIES = ["DAC_OVERRIDE", "FOWNER", "NET_BIND_SERVICE"]
_TEMPORARY_BYTES = 16 << 20
_READY_S = 30.0
_READY_POLL_S = 0.03
_REACHED_S = 5.0
_STOP_S = 20.0
_SHUTDOWN_S = 60.0
_END_S = 30
_KEPT_LINES = 200
# those of testcontainers are of the whole process
_changing_settings = threading.Lock()


def start(
    image: str,
    entry: ledger.Entry,
    token: str,
    *,
    disk_reserve: int,
    site_network: bool = True,
    mounted_socket: str = "",
) -> tuple[Container, list[str]]:
    """Start the control plane; its container, and a list to which the lines of its log are added.

    Args:
        disk_reserve: bytes of the engine's disk that pods of tasks may not use.
        site_network: whether pods with a way out reach private addresses of the site.
        mounted_socket: path of the engine's socket on the engine's machine; by default the likeliest one.

    Raises:
        docker.errors.APIError, requests.RequestException: the engine refuses, or does not answer.
        EngineError: docker's configuration cannot be used.
        UsageError: testcontainers refuses the user's settings of it.
    """
    from docker.types import LogConfig, Mount

    try:
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.docker_client import DockerClient
    except ValueError as error:
        # it reads its settings when it is imported
        raise UsageError(
            f"testcontainers, which starts the control plane, refuses its settings: {error}",
            fix="correct the variables TESTCONTAINERS_* and ~/.testcontainers.properties",
        ) from None

    class Client(DockerClient):
        """Does not mark the container as one of this test session.

        Its reaper, if the test's author uses it for containers of his own, would remove a kept environment.
        """

        def create(self, image: str, *args: Any, **kwargs: Any) -> Container:
            # nor gives it the proxies of docker's configuration, which would come between it and its pods
            return self.client.containers.create(image, *args, use_config_proxy=False, **kwargs)

    engine = require_engine()
    options = {"version": engine.spoken, "environment": {"DOCKER_HOST": engine.address}}
    with _own_settings(), reading_configuration():
        own = Client(**options)

    class ControlPlane(DockerContainer):
        def get_docker_client(self) -> DockerClient:
            return own

    mounts = [
        Mount("/var/run/docker.sock", mounted_socket or own_socket.list_candidates()[0], type="bind"),
        # without a source: a volume that goes with the container
        Mount("/state", None, type="volume"),
        Mount("/tmp", None, type="tmpfs", tmpfs_size=_TEMPORARY_BYTES),
    ]
    if Path("/sys/fs/cgroup").is_dir():
        mounts.append(Mount("/host/cgroup", "/sys/fs/cgroup", type="bind", read_only=True))
    with _own_settings():
        container = ControlPlane(image, docker_client_kw=options)
    # a prefix for public images must not change the name of ours
    container.image = image
    container.with_name(leftovers.name_container(entry.id))
    container.with_command(_COMMAND)
    order = ControlPlaneOrder(
        environment=entry.id,
        owner=entry.owner,
        started=entry.started,
        token=token,
        account_secret=secrets.token_urlsafe(32),
        own_container=leftovers.name_container(entry.id),
        api=engine.spoken,
        disk_reserve=disk_reserve,
        site_network=int(site_network),
    )
    container.with_envs(**order.as_environment())
    container.ports[f"{API_PORT}/tcp"] = ("127.0.0.1", None)  # type: ignore[assignment]
    marks = {**leftovers.make_labels(entry), LABEL_ROLE: leftovers.CONTROL_PLANE}
    container.with_kwargs(
        labels=marks,
        mounts=mounts,
        network=networks.name_edge(entry.id),
        # to read what is mounted in a pod's container, and where on the host it writes
        pid_mode="host",
        auto_remove=True,
        detach=True,
        log_config=LogConfig(**READABLE_LOG),
        security_opt=["label=disable", "no-new-privileges"],
        # files of pods may belong to any user, so it is root, but with few rights
        user="0",
        cap_drop=["ALL"],
        cap_add=_CAPABILITIES,
        read_only=True,
    )
    with _own_settings():
        container.start()
    wrapped = container.get_wrapped_container()
    lines: list[str] = []
    threading.Thread(target=_follow, args=(wrapped, lines), name="kaapana-harness-log", daemon=True).start()
    return wrapped, lines


@contextlib.contextmanager
def _own_settings() -> Iterator[None]:
    """Keep testcontainers, in the block, from what it does unasked; a test's author may use it for more.

    * It logs in where ``DOCKER_AUTH_CONFIG`` says, but the image of the control plane is in the engine.
    * It starts its reaper, whose image it pulls. Our own does that work.
    * It sets ``DOCKER_HOST``, for the whole process, to its own idea of the engine.
    """
    from testcontainers.core.config import testcontainers_config

    with _changing_settings:
        host = os.environ.get("DOCKER_HOST")
        logins, disabled = testcontainers_config.docker_auth_config, testcontainers_config.ryuk_disabled
        testcontainers_config.ryuk_disabled = True
        # to set it is a warning
        if logins:
            testcontainers_config.docker_auth_config = ""
        try:
            yield
        finally:
            testcontainers_config.ryuk_disabled = disabled
            if logins:
                testcontainers_config.docker_auth_config = logins
            if host is None:
                os.environ.pop("DOCKER_HOST", None)
            else:
                os.environ["DOCKER_HOST"] = host


def stop(client: docker.DockerClient, environment_id: str) -> None:
    """Stop a control plane; it waits for objects that the engine is still making for it, and removes them.

    Removed by force, it would leave behind anything that the engine makes a moment later. If it does not end in time,
    or does not run, :mod:`harness.engine.leftovers` removes it.
    """
    import docker.errors

    polling = Polling(timeout_s=_STOP_S, pause_s=0.1, longest_s=1.0)
    # again and again: a program that is just being started does not hear the first ones
    with contextlib.suppress(docker.errors.APIError):
        while True:
            client.api.kill(leftovers.name_container(environment_id), signal="SIGTERM")
            if not polling.again():
                return


def remove_environment(api: KubeApi, client: docker.DockerClient, environment_id: str) -> None:
    """Ask a control plane to remove its environment, wait for its end, and remove the rest.

    A control plane detaches from its networks as it ends. A busy Docker 20.10 kept counting a container on two of them,
    probably because the container was removed at that moment.

    Raises:
        NotRemovedError: the engine fails to remove something.
    """
    with contextlib.suppress(ApiError):
        api.request("POST", control_plane_routes.SHUTDOWN, timeout_s=_SHUTDOWN_S)
        leftovers.wait_until_removed(client.api, leftovers.name_container(environment_id), _END_S)
    leftovers.remove(client, environment_id)


def _follow(container: Container, lines: list[str]) -> None:
    """Keep the end of the control plane's log: its container is gone as soon as it ends."""
    with contextlib.suppress(Exception):
        for line in container.logs(stream=True, follow=True):
            lines.append(line.decode("utf-8", "replace").rstrip())
            del lines[:-_KEPT_LINES]


def make_start_error(words: str, *, last_seen: str = "") -> EngineError:
    """Return the error for a control plane that the engine does not start.

    Args:
        words: the engine's, or the last ones of the control plane itself.
    """
    cause = f"the control plane of the docker cluster did not start: {words}"
    return EngineError(cause, last_seen=last_seen, fix=networks.advise(words))


def _end_error(log: list[str]) -> EngineError:
    return make_start_error(log[-1] if log else "it ended without a log", last_seen="\n".join(log))


def wait_until_ready(client: docker.DockerClient, container: Container, log: list[str], *, token: str) -> int:
    """Wait until the control plane is ready; its port on 127.0.0.1.

    Raises:
        EngineError: it has ended, or listens where this process does not reach it.
        PlatformError: it is not ready after half a minute; with the end of its log.
    """
    import docker.errors

    polling = Polling(timeout_s=_READY_S, pause_s=_READY_POLL_S)
    reaching: Polling | None = None
    seen = "nothing"
    port = 0
    while polling.again():
        try:
            if not port:
                bound = client.api.inspect_container(str(container.id))["NetworkSettings"]["Ports"]
                port = int((bound.get(f"{API_PORT}/tcp") or [{"HostPort": 0}])[0]["HostPort"])
            if port:
                KubeApi(f"http://127.0.0.1:{port}", token=token).request("GET", control_plane_routes.READY, timeout_s=2)
                return port
        except docker.errors.NotFound:
            raise _end_error(log) from None
        except Unavailable as error:
            seen = error.message
            try:
                client.api.inspect_container(str(container.id))
            except docker.errors.NotFound:
                raise _end_error(log) from None
        except ApiError as error:
            seen = str(error)
        if not any(line.startswith(LISTENS) for line in log) or not _is_refused(port):
            continue
        reaching = reaching or Polling(timeout_s=_REACHED_S, pause_s=_READY_POLL_S)
        if not reaching.again():
            raise EngineError(
                f"port {port} of 127.0.0.1, at which the control plane of the docker cluster listens, is not reached "
                "from this process",
                last_seen=seen,
                fix=networks.USE_HOST_NETWORK,
            )
    raise PlatformError(
        f"the control plane of the docker cluster was not ready after {_READY_S:g} s",
        last_seen="\n".join([seen, *log]),
        fix="see its log above; `kaapana-harness doctor` examines the engine",
    )


def _is_refused(port: int) -> bool:
    """Return whether no process listens at a port; a busy one would not refuse."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except TimeoutError:
        return False
    except OSError:
        return True
    return False
