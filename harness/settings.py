"""All settings in one typed place: flag > environment > ``[tool.kaapana-harness]`` > default.

Every value knows where it came from, so that an error can say it. Environment variables are
``KAAPANA_HARNESS_<NAME>``; the table is read from the ``pyproject.toml`` of the working directory or a parent.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.common import documents
from harness.errors import UsageError

# a month: beyond some bound the system's own clocks refuse
_MOST_SECONDS = 30 * 24 * 3600
_MOST_MEGABYTES = 10**9
_MOST_NODES = 50
_MOST_PORT = 65535
_ENV_PREFIX = "KAAPANA_HARNESS_"
DELIVERIES = ("registry", "tar", "edk")
"""How images reach the platform: pushed, uploaded as ``images.tar``, or as the development kit does it (build 16)."""
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL = r"[a-zA-Z0-9]+(-+[a-zA-Z0-9]+)*"
_REGISTRY = re.compile(
    rf"(?=[^/]*[.:]|localhost){_LABEL}(\.{_LABEL})*(:(?P<port>[0-9]{{1,5}}))?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
)
_CLASS_NAME = re.compile(r"(?=.{0,253}\Z)[a-z0-9]([-.a-z0-9]*[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class Option:
    """One setting: how to read it from text, its default and its one-line help."""

    name: str
    parse: Callable[[str], Any]
    default: Any
    help: str

    @property
    def environment(self) -> str:
        """Name of the environment variable."""
        return _ENV_PREFIX + self.name.upper()


def _boolean(text: str) -> bool:
    value = text.strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("expected true or false")


def _number(text: str) -> float:
    """Return the number that a text holds, or NaN, which lies within no bounds."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _positive_seconds(text: str) -> float:
    value = _number(text)
    if not 0 < value <= _MOST_SECONDS:
        raise ValueError(f"expected a positive number of seconds, at most {_MOST_SECONDS}")
    return value


def _megabytes(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= _MOST_MEGABYTES:
        raise ValueError(f"expected a number of MiB, at most {_MOST_MEGABYTES}")
    return value


def _nodes(text: str) -> int:
    value = _number(text)
    if not 1 <= value <= _MOST_NODES or not value.is_integer():
        raise ValueError(f"expected a number from 1 to {_MOST_NODES}")
    return int(value)


def _cluster(text: str) -> str:
    from harness.cluster import providers

    if providers.find(text):
        return text
    raise ValueError(f"expected {providers.forms()}")


def _platform(text: str) -> str:
    from harness import profiles

    if text in profiles.names():
        return text
    raise ValueError(f"expected {', '.join(profiles.names()[:-1])} or {profiles.names()[-1]}")


def check_delivery(text: str) -> str:
    """Return one of :data:`DELIVERIES`.

    Raises:
        ValueError: it is not one of them.
    """
    if text in DELIVERIES:
        return text
    raise ValueError(f"expected {', '.join(DELIVERIES[:-1])} or {DELIVERIES[-1]}")


def is_registry(text: str) -> bool:
    """Return whether a text names a registry as image references do: ``host[:port][/path]``."""
    found = _REGISTRY.fullmatch(text)
    return found is not None and (found["port"] is None or 0 < int(found["port"]) <= _MOST_PORT)


def check_registry(text: str) -> str:
    """Return the name of a registry, or nothing.

    Raises:
        ValueError: it is not such a name.
    """
    if text and not is_registry(text):
        raise ValueError("expected a registry as it is written in image references, such as registry.site:5000/team")
    return text


def _storage_class(text: str) -> str:
    if text and not _CLASS_NAME.fullmatch(text):
        raise ValueError("expected the name of a storage class: lower-case letters, digits, dashes and dots")
    return text


def _tag(text: str) -> str:
    if text and not _TAG.fullmatch(text):
        raise ValueError("expected a version that can be the tag of an image, such as 0.6.0 or 1.2.3-4-gabc1234")
    return text


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for word in _words(text):
        name, equals, value = (part.strip() for part in word.partition("="))
        if not (name and equals and value):
            raise ValueError("expected NAME=FOLDER, separated by commas")
        pairs.append((name, value))
    return tuple(pairs)


def _pairs_of_table(table: Mapping[str, Any], path: Path) -> tuple[tuple[str, str], ...]:
    """Return the pairs of a table of names and folders, which are relative to the file.

    Raises:
        ValueError: a value is not a text.
    """
    for name, value in table.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f"expected a folder for {name!r}")
    return tuple((name, str(path.parent / os.path.expanduser(value))) for name, value in table.items())


def _optional_path(text: str) -> Path | None:
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError as error:
        # ~name of nobody
        raise ValueError(str(error)) from None


OPTIONS: tuple[Option, ...] = (
    Option("cluster", _cluster, "docker", "where the platform runs: docker, kind or context:NAME"),
    Option("nodes", _nodes, 1, "nodes of a kind cluster; all of them take pods"),
    Option("platform", _platform, "documented", "platform profile: what the guide documents, or a release as built"),
    Option("platform_registry", check_registry, "", "DEFAULT_REGISTRY of the platform (default: the environment's)"),
    Option("platform_version", _tag, "", "KAAPANA_BUILD_VERSION of the platform (default: that of the profile)"),
    Option("reuse", _boolean, False, "adopt a running environment with the same settings, and leave it running"),
    Option("keep_on_failure", _boolean, False, "leave the environment running after a failed test"),
    Option("report", _optional_path, None, "folder for the evidence of every run"),
    Option(
        "deliver", check_delivery, "registry", "how images reach the platform: registry push, images.tar, or the EDK"
    ),
    Option("chart", _words, (), "packaged charts that are installed in place of source trees, separated by commas"),
    Option("images", _words, (), "where their images are: archives, registry/prefix, or engine, separated by commas"),
    Option("ci_config", _boolean, False, "collect ci-config/*.yaml of extensions on the way, not only where given"),
    Option("datasets", _pairs, (), "folders for the names and series UIDs of ci-config files: NAME=FOLDER,..."),
    Option("gpu", _boolean, False, "a platform with GPU support: NVIDIA devices for operators with gpu_mem_mb"),
    Option("context_registry", check_registry, "", "registry for context:NAME, reached from here and by the nodes"),
    Option(
        "context_storage_class", _storage_class, "", "storage class for context:NAME (default: that of the cluster)"
    ),
    Option("disk_reserve", _megabytes, 1024.0, "MiB of free disk below which the task that writes most is ended"),
    Option("site_network", _boolean, True, "whether pods with a way out reach private addresses of the site (docker)"),
    Option("run_timeout", _positive_seconds, 900.0, "seconds until a run that has not ended is aborted"),
    Option("start_timeout", _positive_seconds, 180.0, "seconds the platform may take to become ready"),
    Option("install_timeout", _positive_seconds, 120.0, "seconds the installation of an extension may take"),
    Option("build_timeout", _positive_seconds, 3600.0, "seconds the build of one image may take"),
    Option("cache_dir", _optional_path, None, "folder for downloads and prepared data (default: the user's cache)"),
    Option("ca_bundle", _optional_path, None, "CA bundle for image builds (default: found on this machine)"),
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of one environment; ``sources`` says of each whether flag, environment, file or default set it."""

    cluster: str = "docker"
    nodes: int = 1
    platform: str = "documented"
    platform_registry: str = ""
    platform_version: str = ""
    reuse: bool = False
    keep_on_failure: bool = False
    report: Path | None = None
    deliver: str = "registry"
    chart: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    ci_config: bool = False
    datasets: tuple[tuple[str, str], ...] = ()
    gpu: bool = False
    context_registry: str = ""
    context_storage_class: str = ""
    disk_reserve: float = 1024.0
    site_network: bool = True
    run_timeout: float = 900.0
    start_timeout: float = 180.0
    install_timeout: float = 120.0
    build_timeout: float = 3600.0
    cache_dir: Path | None = None
    ca_bundle: Path | None = None
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)

    @classmethod
    def load(
        cls,
        flags: Mapping[str, Any] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        start: Path | None = None,
    ) -> Settings:
        """Collect the settings.

        Args:
            flags: values from a command line; ``None`` values count as not given.
            environ: the environment, ``os.environ`` by default.
            start: folder from which ``pyproject.toml`` is looked for, the working directory by default.

        Raises:
            UsageError: a value cannot be read, or the table has an unknown name; the source is named.
        """
        environ = os.environ if environ is None else environ
        table, table_path = _read_table(start or _working_directory())
        known = {option.name for option in OPTIONS}
        for name in table:
            if name.replace("-", "_") not in known:
                raise UsageError(
                    f"unknown setting {name!r} in [tool.kaapana-harness] of {table_path}",
                    fix=f"known settings: {', '.join(sorted(known))}",
                )
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for option in OPTIONS:
            raw, source, where = option.default, "default", "default"
            for key in (option.name, option.name.replace("_", "-")):
                if key in table:
                    raw, source, where = table[key], "file", f"{table_path}: {key}"
            if option.environment in environ:
                raw, source, where = environ[option.environment], "environment", option.environment
            if flags and flags.get(option.name) is not None:
                raw, source, where = flags[option.name], "flag", f"--{option.name.replace('_', '-')}"
            if source != "default":
                try:
                    if option.parse is _pairs and isinstance(raw, Mapping) and table_path is not None:
                        raw = _pairs_of_table(raw, table_path)
                    else:
                        raw = option.parse(",".join(map(str, raw)) if isinstance(raw, (list, tuple)) else str(raw))
                except ValueError as error:
                    got = documents.shown(raw if isinstance(raw, str) else str(raw))
                    raise UsageError(f"{where}: {error}, got {got}", fix=option.help) from None
            if source == "file" and option.parse is _words and table_path is not None:
                raw = tuple(_beside(table_path, word) for word in raw)
            values[option.name] = raw
            sources[option.name] = source
        return cls(**values, sources=sources)

    @property
    def cache(self) -> Path:
        """The cache folder, created on demand."""
        if self.cache_dir is not None:
            path = self.cache_dir
        else:
            import platformdirs

            path = Path(platformdirs.user_cache_dir("kaapana-harness"))
        _make_folder(path, "cache", _ENV_PREFIX + "CACHE_DIR")
        return path

    @property
    def scratch(self) -> Path:
        """The folder below the cache for what is large and does not stay: ``/tmp`` may be small, or in memory."""
        return self.cache / "scratch"

    @property
    def state(self) -> Path:
        """The folder of the ledger of environments, created on demand, readable by the user only."""
        import platformdirs

        path = Path(os.environ.get(_ENV_PREFIX + "STATE_DIR") or platformdirs.user_state_dir("kaapana-harness"))
        _make_folder(path, "state", _ENV_PREFIX + "STATE_DIR")
        return path


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the working directory cannot be used: {error.strerror}", fix="cd to another one") from None


def _make_folder(path: Path, use: str, variable: str) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700 if use == "state" else 0o777)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(None, "it may not be written")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the {use} folder {path} cannot be used: {reason}", fix=f"set {variable}") from None


def _beside(table: Path, word: str) -> str:
    """Return a path of the table, which is relative to the file; what is not a path there stays as it is."""
    path = table.parent / os.path.expanduser(word)
    return str(path) if os.path.exists(path) else word


def _read_table(start: Path) -> tuple[dict[str, Any], Path | None]:
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if not os.path.isfile(path):
            continue
        try:
            document = documents.toml_document(documents.read_text(path))
        except documents.DocumentError as error:
            raise UsageError(f"{path} cannot be read: {error}") from None
        table: Any = document
        for name in ("tool", "kaapana-harness"):
            table = table.get(name, {})
            if not isinstance(table, dict):
                raise UsageError(f"{path}: [tool.kaapana-harness] is not a table: {name} is {documents.shown(table)}")
        return dict(table), path
    return {}, None
