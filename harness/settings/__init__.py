"""All options in one place: flag > environment > ``[tool.kaapana-harness]`` > default.

:class:`Settings` declares each option once, with every name that it has; the pytest plugin, the command line, messages
and ``docs/settings.md`` are made from it. Variables that nothing else sets are in :mod:`harness.settings.variables`.

The pytest plugin imports this package in every pytest run, and the doctor without any library: it imports the standard
library alone, and the rest when it is used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.settings import values
from harness.settings.option import Option, option, options_of

__all__ = ["EVIDENCE", "OPTIONS", "Option", "Settings", "how_to_set"]

EVIDENCE: Final = Path("kaapana-report")
"""The folder for the evidence of runs, outside of pytest, unless a setting or an argument names another one."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of one environment.

    ``sources`` has the name under which each was set, as its user wrote it; those with their default are not in it.
    """

    cluster: str = option(
        "docker",
        values.cluster,
        "CLUSTER",
        "where the platform runs: docker, kind or context:NAME",
        flag="--cluster",
        pytest=True,
    )
    nodes: int = option(
        1, values.nodes, "N", "number of nodes of a kind cluster; pods run on all of them", flag="--nodes", pytest=True
    )
    platform: str = option(
        "documented",
        values.platform,
        "PROFILE",
        "platform profile: documented, 0.6.1, 0.6.0, 0.5.3, 0.5.0 or 0.4",
        flag="--platform",
        pytest=True,
    )
    platform_registry: str = option(
        "",
        values.registry,
        "REGISTRY",
        "the platform's DEFAULT_REGISTRY, for which images were built; by default the environment's own",
        flag="--platform-registry",
        pytest=True,
    )
    platform_version: str = option(
        "",
        values.tag,
        "VERSION",
        "the platform's KAAPANA_BUILD_VERSION, the tag of its images; by default that of the profile",
        flag="--platform-version",
        pytest=True,
    )
    chart: tuple[str, ...] = option(
        (),
        values.words,
        "X.tgz",
        "packaged chart to install instead of building a source tree",
        flag="--chart",
        pytest=True,
        parse_from_file=values.words_from_file,
    )
    images: tuple[str, ...] = option(
        (),
        values.words,
        "WHERE",
        "place of its images: an images.tar, REGISTRY/PREFIX, or the word engine",
        flag="--images",
        pytest=True,
        parse_from_file=values.words_from_file,
    )
    deliver: str = option(
        "registry",
        values.delivery,
        "HOW",
        "how images reach the platform: registry (a push), tar (images.tar), or edk (as the development kit does)",
        flag="--deliver",
        pytest=True,
    )
    ci_config: bool = option(
        False,
        values.boolean,
        "",
        "also collect ci-config/*.yaml of extensions whose path is not on the command line",
        pytest=True,
    )
    datasets: tuple[tuple[str, str], ...] = option(
        (),
        values.pairs,
        "NAME=FOLDER",
        "folders with the data sets and series that ci-config files name",
        parse_from_file=values.pairs_from_file,
    )
    gpu: bool = option(
        False,
        values.boolean,
        "",
        "turn on GPU support: NVIDIA devices for operators with gpu_mem_mb",
        pytest=True,
    )
    reuse: bool = option(
        False,
        values.boolean,
        "",
        "adopt a running environment with the same settings, and leave it running",
        flag="--reuse",
        pytest=True,
    )
    keep_on_failure: bool = option(
        False, values.boolean, "", "leave the environment running after a failed test", pytest=True
    )
    report: Path | None = option(
        None,
        values.optional_path,
        "DIR",
        f"folder for the evidence of runs; by default {EVIDENCE}, in pytest a temporary one, kept for three sessions",
        pytest=True,
    )
    run_timeout: float = option(
        900.0, values.seconds, "SECONDS", "seconds after which a run is aborted", flag="--timeout"
    )
    start_timeout: float = option(180.0, values.seconds, "SECONDS", "seconds the platform may take to become ready")
    install_timeout: float = option(
        120.0, values.seconds, "SECONDS", "seconds the installation of an extension may take"
    )
    build_timeout: float = option(3600.0, values.seconds, "SECONDS", "seconds the build of one image may take")
    disk_reserve: float = option(
        1024.0, values.megabytes, "MIB", "MiB of free disk below which the task that writes most is killed (docker)"
    )
    site_network: bool = option(
        True,
        values.boolean,
        "",
        "whether pods labelled network-access-external-ips reach private addresses of the site (docker)",
    )
    context_registry: str = option(
        "", values.registry, "REGISTRY", "registry that context:NAME needs, reached from here and by the nodes"
    )
    context_storage_class: str = option(
        "", values.storage_class, "CLASS", "storage class for context:NAME; by default that of the cluster"
    )
    base_images: tuple[tuple[str, str], ...] = option(
        (),
        values.image_pairs,
        "IMAGE=REFERENCE",
        "replacements for base images in Dockerfiles, such as base-mitk=registry.site/base-mitk:1",
        parse_from_file=values.image_pairs_from_file,
    )
    build_urls: tuple[tuple[str, str], ...] = option(
        (),
        values.url_pairs,
        "URL=FILE or URL",
        "files, folders or mirrors that replace URLs, and everything below them, in RUN and ADD lines",
        parse_from_file=values.url_pairs_from_file,
    )
    cache_dir: Path | None = option(
        None, values.optional_path, "DIR", "folder for downloads and prepared data; by default the user's cache"
    )
    ca_bundle: Path | None = option(
        None, values.optional_path, "FILE", "CA bundle for image builds; by default the one of this machine"
    )
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)

    @classmethod
    def load(
        cls,
        flags: Mapping[str, Any] | None = None,
        *,
        spelling: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        start: Path | None = None,
    ) -> Settings:
        """Collect the settings.

        Args:
            flags: values by the name of their option; ``None`` and empty lists count as not given.
            spelling: how their user writes the flags, for messages; by default as the options are named.
            environ: the environment, ``os.environ`` by default.
            start: folder where the search for ``pyproject.toml`` starts, the working directory by default.

        Raises:
            UsageError: a value cannot be read, or the table has an unknown name; the source is named.
        """
        from harness.settings.loading import collect

        found, sources = collect(OPTIONS, flags or {}, spelling or {}, environ, start)
        return cls(**found, sources=sources)

    @property
    def cache(self) -> Path:
        """The cache folder, created on demand."""
        from harness.settings import folders

        return folders.cache(self.cache_dir, self.sources.get("cache_dir", OPTIONS["cache_dir"].variable))

    @property
    def scratch(self) -> Path:
        """The folder below the cache for large temporary data: ``/tmp`` may be small, or in memory."""
        return self.cache / "scratch"

    @property
    def state(self) -> Path:
        """The folder of the ledger of environments, created on demand, readable by the user only."""
        from harness.settings import folders

        return folders.state()


OPTIONS: Final[Mapping[str, Option]] = options_of(Settings)
"""Every option, by name."""


def how_to_set(name: str, value: str = "") -> str:
    """Return the ways to set an option, for a message."""
    return OPTIONS[name].ways(value)
