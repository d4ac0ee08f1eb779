"""One emulated platform: start it, adopt a running one, and remove it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from harness import profiles
from harness.cluster import ledger, providers
from harness.common.progress import OnProgress, quiet
from harness.common.redaction import make_redacting
from harness.doctor import require_engine
from harness.errors import PlatformError, UsageError
from harness.kube import ApiError
from harness.platform import (
    lost_cluster,
    operator_images,
    ownership,
    platform_chart,
    platform_globals,
    projects,
    readiness,
    registry_seed,
)
from harness.platform.airflow_client import AirflowClient
from harness.platform.background import run_in_background
from harness.platform.credentials import Credentials
from harness.platform.projects import Project
from harness.platform.registries import CustomRegistries
from harness.platform.registry import PlatformRegistry
from harness.platform.services_client import ServicesClient
from harness.wire import names

if TYPE_CHECKING:
    from minio import Minio

    from harness.cluster import Cluster
    from harness.profiles import Profile
    from harness.settings import Settings
    from harness.settings.builds import BuildSettings


_DEVICE = "nvidia.com/gpu"


class Environment:
    """A running platform. Made by :meth:`up`; a context manager that takes it down.

    Attributes:
        cluster: where it runs.
        settings: those that it was made with.
        provider: of the kind of its cluster.
        profile: the emulated release.
        registry: ``DEFAULT_REGISTRY`` of the platform, in image references.
        platform_registry: the registry behind that name, for pushes and queries.
        custom_registries: registries that were added to the platform.
        services: client of the stand-ins.
        airflow: client of Airflow.
    """

    def __init__(
        self, cluster: Cluster, settings: Settings, profile: Profile, credentials: Credentials, *, adopted: bool
    ) -> None:
        self.cluster = cluster
        self.settings = settings
        self.profile = profile
        self.credentials = credentials
        self.adopted = adopted
        self.provider = providers.get_provider(settings.cluster)
        # a registry of the user's has the user's own login
        pull, push = (credentials.pull, credentials.push) if self.provider.owns_registry else (None, None)
        self.platform_registry = PlatformRegistry(cluster, name=settings.platform_registry, pull=pull, push=push)
        self.registry = self.platform_registry.name
        self.custom_registries = CustomRegistries(
            cluster.api, self.platform_registry, credentials, owned=self.provider.owns_registry
        )
        self.services = ServicesClient(
            functools.partial(cluster.address, names.SERVICES_NAMESPACE, names.HARNESS_SERVICES[0]),
            token=credentials.token,
            client_secret=credentials.oidc_client_secret,
            restart=lambda seconds: readiness.wait_for_restart(
                cluster.api, names.HARNESS_SERVICES[0], timeout_s=seconds
            ),
        )
        self.airflow = AirflowClient(
            cluster.address(names.SERVICES_NAMESPACE, names.AIRFLOW[0], names.AIRFLOW[2]), token=credentials.token
        )

    def __repr__(self) -> str:
        return f"Environment({self.id}, {self.cluster.name}, {self.profile.name})"

    def __enter__(self) -> Environment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down(keep=self.settings.reuse)

    @property
    def id(self) -> str:
        """Id of the environment, part of the name of everything that belongs to it."""
        return self.cluster.environment_id

    @property
    def platform_version(self) -> str:
        """``KAAPANA_BUILD_VERSION``."""
        return self.settings.platform_version or self.profile.version

    @property
    def scratch(self) -> Path:
        """See :class:`harness.run.ports.EnvironmentPort`."""
        return self.settings.scratch

    @functools.cached_property
    def object_store(self) -> Minio:
        """MinIO with the root keys."""
        from minio import Minio

        host, port = self.cluster.address(names.SERVICES_NAMESPACE, names.MINIO[0], names.MINIO[2])
        return Minio(
            f"{host}:{port}",
            access_key=self.credentials.minio_user,
            secret_key=self.credentials.minio_password,
            secure=False,
        )

    @functools.cached_property
    def platform_globals(self) -> Mapping[str, Any]:
        """``global`` of the platform's own release, which every extension's chart is rendered with (build 10.3)."""
        return platform_globals.make_globals(
            self.profile,
            self.registry,
            self.platform_version,
            gpu=self.settings.gpu,
            credentials=self.credentials,
            main_node=self.cluster.volume_node or self.provider.only_node,
        )

    @classmethod
    def up(cls, settings: Settings, *, on_progress: OnProgress = quiet) -> Environment:
        """Start a platform, or adopt a running one with the same settings (``settings.reuse``).

        Args:
            on_progress: gets a line for every step.

        Raises:
            EngineError, ImageError, PlatformError: it could not be made; everything was removed.
        """
        from harness import images

        on_progress = make_redacting(on_progress)
        profile = profiles.load(settings.platform)
        provider = providers.get_provider(settings.cluster)
        wanted = [*platform_chart.IMAGES, operator_images.IMAGE]
        if not provider.owns_registry:
            wanted.remove("registry")
            tags = images.ensure_all(wanted, settings=settings, on_progress=on_progress)
        else:
            provider.check_machine(settings, on_progress)
            # the base images are done long before the last one
            with run_in_background(lambda: _make_seeded_registry(settings, on_progress)) as seeded:
                tried = {"python": provider.try_machine}
                tags = images.ensure_all(wanted, settings=settings, on_progress=on_progress, on_made=tried)
                tags["registry"] = seeded.result()
        key = _key(settings, profile, tags)
        if settings.reuse:
            found = cls._adopt(settings, profile, key, on_progress)
            if found is not None:
                return found
        return cls._create(settings, profile, tags, key, on_progress)

    @classmethod
    def attach(cls, settings: Settings, entry: ledger.Entry) -> Environment:
        """Return an environment that is still running, without comparing settings or making images.

        Raises:
            PlatformError: it does not work any more, or another version of the harness made it.
        """
        settings = dataclasses.replace(
            settings, cluster=entry.cluster, platform=entry.platform or settings.platform, reuse=True
        )
        try:
            credentials = Credentials.from_mapping(entry.secrets)
        except KeyError:
            raise PlatformError(
                f"the environment {entry.id} was left running by another version of kaapana-harness",
                fix="`kaapana-harness down` ends it",
            ) from None
        cluster = providers.get_provider(entry.cluster).adopt(settings, entry.id)
        if cluster is None:
            raise PlatformError(
                f"the environment {entry.id} does not work any more", fix="`kaapana-harness prune` removes it"
            )
        environment = cls(cluster, settings, profiles.load(settings.platform), credentials, adopted=True)
        try:
            with lost_cluster.explain_lost_cluster(cluster):
                environment._check_health()
            environment.custom_registries.hide_logins()
        except BaseException:
            environment.detach()
            raise
        return environment

    @classmethod
    def _create(
        cls, settings: Settings, profile: Profile, tags: Mapping[str, str], key: str, say: OnProgress
    ) -> Environment:
        from harness.cluster import open_cluster

        ownership.tidy(settings.state)
        credentials = Credentials.random()
        environment_id = secrets.token_hex(4)
        say(f"starting environment {environment_id} on {settings.cluster}")
        with run_in_background(platform_chart.prepare):
            cluster = open_cluster(
                settings.cluster,
                settings,
                environment_id=environment_id,
                images=sorted(set(tags.values())),
                on_progress=say,
            )
        try:
            ledger.update(
                settings.state,
                environment_id,
                key=key,
                platform=settings.platform,
                secrets=credentials.as_mapping(),
            )
            if settings.gpu:
                _require_devices(cluster)
            values = platform_chart.make_values(
                cluster,
                profile,
                credentials,
                tags,
                kind=providers.get_provider(settings.cluster),
                registry=settings.platform_registry,
                version=settings.platform_version,
                gpu=settings.gpu,
            )
            # names images during other waits: on kind that takes seconds
            own = {tags[name]: tags[name] for name in platform_chart.IMAGES if name in tags}
            with run_in_background(lambda: cluster.provide_images(own)) as provided:
                workloads = platform_chart.apply(cluster, values, provided.result, say)
            version = settings.platform_version or profile.version
            registry = settings.platform_registry or cluster.registry
            image = tags[operator_images.IMAGE]
            with run_in_background(lambda: operator_images.provide(cluster, image, registry, version)):
                readiness.wait(cluster.api, workloads, timeout_s=settings.start_timeout, say=say)
            environment = cls(cluster, settings, profile, credentials, adopted=False)
            checks = [environment.check_registry, environment.services.check_health, environment.airflow.check_health]
            readiness.wait_until_reached(checks, timeout_s=settings.start_timeout)
            environment.services.wait_for_object_store(settings.start_timeout)
            return environment
        except BaseException:
            # also on Ctrl-C: nothing half made may stay
            cluster.close()
            raise

    @classmethod
    def _adopt(cls, settings: Settings, profile: Profile, key: str, say: OnProgress) -> Environment | None:
        from harness.cluster import open_cluster

        for entry in ledger.find_adoptable(settings.state, key):
            try:
                cluster = open_cluster(settings.cluster, settings, environment_id=entry.id, reuse=True)
                environment = cls(cluster, settings, profile, Credentials.from_mapping(entry.secrets), adopted=True)
                environment._check_health()
                environment.custom_registries.hide_logins()
            except (PlatformError, ApiError, KeyError) as error:
                say(f"environment {entry.id} cannot be adopted: {error}")
                continue
            say(f"adopted environment {entry.id}")
            return environment
        return None

    def _check_health(self) -> None:
        with run_in_background(self.services.check_health):
            self.airflow.check_health()

    def check_registry(self) -> None:
        """Check that the registry answers; raise an error otherwise."""
        if not self.platform_registry.ready():
            raise PlatformError(f"the registry {self.registry} does not answer")

    def create_project(self, name: str | None = None) -> Project:
        """Create a project; by default with a new name."""
        return projects.create(self.cluster, self.services, self.credentials, name, registry=self.registry)

    def remove_project(self, project: Project) -> None:
        """Remove a project with everything in it; on a lost cluster it is gone already."""
        with lost_cluster.ignore_lost_cluster(self.cluster):
            projects.remove(self.cluster, self.services, project)

    def down(self, *, keep: bool = False) -> None:
        """Close the clients and take everything down; ``keep`` leaves it running for later adoption."""
        self.services.close()
        self.airflow.close()
        self.platform_registry.close()
        self.cluster.close(keep=keep)

    def detach(self) -> None:
        """Close the clients of an attached environment, which continues, or was ended by its owner."""
        with contextlib.suppress(PlatformError, ApiError):
            self.down(keep=True)


def _make_seeded_registry(settings: BuildSettings, say: OnProgress) -> str:
    from harness import images

    tags = images.ensure_all(["registry", *registry_seed.SEEDS], settings=settings, on_progress=say)
    return registry_seed.ensure(settings, tags, say)


def _key(settings: Settings, profile: Profile, tags: Mapping[str, str]) -> str:
    """Return a digest of what must be equal for an adoption: cluster, engine, release, names, and the images' code."""
    where = [settings.cluster, settings.nodes, settings.context_registry, settings.context_storage_class]
    # the same images may be in another engine of this machine
    where += [settings.site_network, require_engine().address]
    named = [settings.platform_registry, settings.platform_version]
    inputs = json.dumps([where, profile.data, dict(tags), settings.gpu, named], sort_keys=True)
    return hashlib.sha256(inputs.encode()).hexdigest()[:16]


def _require_devices(cluster: Cluster) -> None:
    """Check that a node offers a device: with GPU support every operator with ``gpu_mem_mb`` waits for one.

    Raises:
        UsageError: no node offers one.
    """
    offers = [node.get("status", {}).get("allocatable", {}) for node in cluster.api.list("Node")]
    if not any(str(offer.get(_DEVICE, "0")) != "0" for offer in offers):
        raise UsageError(
            f"gpu is set, but no node of the cluster {cluster.name} offers {_DEVICE}",
            fix="install the NVIDIA container toolkit for the engine (or the device plugin for the cluster), or leave "
            "gpu unset: operators with gpu_mem_mb then run on the CPU, as on a platform without GPU support",
        )
