"""Copy an extension's DAG files onto the platform, or remove them (build 6). Program of the image base-installer.

Standard library only: the installer's containers get 50 MiB. What is below ``/kaapana/tmp`` in the image is
what the extension's author copied there.
"""

from __future__ import annotations

import fnmatch
import json
import logging
import os
import re
import shutil
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

WORKFLOWS = "/kaapana/mounted/workflows"
TOP_LEVEL = ("plugins", "dags", "mounted_scripts", "extensions")
MANDATORY = ("ADMIN_NAMESPACE", "SERVICES_NAMESPACE", "KAAPANA_BUILD_VERSION", "KAAPANA_DEFAULT_REGISTRY")
# image references in the text of Python files: no blank around the equals sign, at most one path level between
# registry and image, no port in the registry
IMAGE = re.compile(
    r"""image=f?["'](?P<registry>[\w\-\\{}.]+)(?:/[\w\-.]+|)/(?P<image>[\w\-.]+)"""
    r""":(?P<version>[\w\-\\{}.]+)f?["']"""
)
LOG = logging.getLogger("base-installer")


class InstallerError(Exception):
    """The installer stops with exit status 1; the text is the cause."""


@dataclass(frozen=True)
class InstallerSettings:
    """The installer's environment."""

    action: str
    source: Path
    target: Path
    admin_namespace: str
    services_namespace: str
    registry: str

    @property
    def workflow_mode(self) -> bool:
        """Whether the target is the workflow folder of the platform; otherwise only files are handled."""
        return str(self.target).startswith(WORKFLOWS)

    @classmethod
    def from_environment(cls, environ: dict[str, str]) -> InstallerSettings:
        settings = cls(
            action=environ.get("ACTION", "copy"),
            source=Path(environ.get("TMP_PREFIX") or "/kaapana/tmp/"),
            target=Path(environ.get("TARGET_PREFIX") or WORKFLOWS),
            admin_namespace=environ.get("ADMIN_NAMESPACE", ""),
            services_namespace=environ.get("SERVICES_NAMESPACE", ""),
            registry=environ.get("KAAPANA_DEFAULT_REGISTRY", ""),
        )
        missing = [name for name in MANDATORY if not environ.get(name)]
        if settings.workflow_mode and missing:
            raise InstallerError(f"Configuration error: not set or empty: {', '.join(missing)}")
        return settings


def relative_paths(source: Path, *, reverse: bool) -> list[Path]:
    """Return everything below ``source``, sorted; nothing when it does not exist."""
    return sorted((path.relative_to(source) for path in source.rglob("*")), reverse=reverse)


def check_top_level(relative: Path) -> None:
    """Refuse files without a place on the platform."""
    if relative.parts[0] not in TOP_LEVEL:
        raise InstallerError(f"Unknown relative directory {relative.parts[0]!r}, known are: {', '.join(TOP_LEVEL)}")


def copy_tree(source: Path, target: Path) -> None:
    """Copy contents, without modes or owners, over existing files; delete nothing."""
    for relative in relative_paths(source, reverse=False):
        check_top_level(relative)
        if (source / relative).is_dir():
            (target / relative).mkdir(parents=True, exist_ok=True)
        else:
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / relative, target / relative)
            LOG.info("copied %s", target / relative)


def visible(name: str, *, workflow_mode: bool) -> bool:
    """Return whether an entry keeps its folder from being removed."""
    if not workflow_mode:
        return fnmatch.fnmatch(name, "*.tgz")
    hidden = name.startswith(".") or name.endswith(".pyc") or (name.startswith("__") and name.endswith("__"))
    return not hidden


def remove_tree(source: Path, target: Path, *, workflow_mode: bool) -> None:
    """Remove the files of the image, and folders without visible files."""
    for relative in relative_paths(source, reverse=True):
        check_top_level(relative)
        path = target / relative
        try:
            if path.is_dir():
                # the volumes' own mount points stay
                if path.is_mount() or any(visible(p.name, workflow_mode=workflow_mode) for p in path.iterdir()):
                    continue
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
            else:
                continue
        except OSError as error:
            LOG.warning("%s was not removed: %s", path, error)
        else:
            LOG.info("removed %s", path)


def images(source: Path, registry: str) -> list[tuple[str, str, str]]:
    """Return (registry, image, version) that the Python files name, each once.

    ``{KAAPANA_BUILD_VERSION}`` stays as it stands there: the platform's installer does not replace it either.
    """
    found: dict[tuple[str, str, str], None] = {}
    for path in sorted(source.rglob("*.py")):
        for match in IMAGE.finditer(path.read_text("utf-8", "replace")):
            host = match["registry"]
            for placeholder in ("{DEFAULT_REGISTRY}", "{default_registry}"):
                host = host.replace(placeholder, registry)
            found[host, match["image"], match["version"]] = None
    return list(found)


def post(url: str, body: dict[str, str]) -> None:
    """POST JSON; the answer's status is only logged, no answer is an error."""
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # services are never behind a proxy
    try:
        with opener.open(request) as response:
            LOG.info("POST %s answers %s", url, response.status)
    except urllib.error.HTTPError as error:
        LOG.warning("POST %s answers %s", url, error.code)
    except OSError as error:
        raise InstallerError(f"{url} cannot be reached: {error}; the files are handled already") from error


def announce(settings: InstallerSettings) -> None:
    """Inform the platform of images to pull, or of removed DAGs."""
    if settings.action == "remove":
        base = f"http://airflow-webserver-service.{settings.services_namespace}.svc:8080"
        post(f"{base}/flow/kaapana/api/trigger/service-daily-cleanup-jobs", {})
        return
    url = f"http://kube-helm-service.{settings.admin_namespace}.svc:5000/pull-docker-image"
    for registry, image, version in images(settings.source, settings.registry):
        body = {"docker_registry_url": registry, "docker_image": image, "docker_version": version}
        LOG.info("image to pull: %s/%s:%s", registry, image, version)
        post(url, body)


def wait_forever() -> NoReturn:
    """Wait after the work of a prefetch Deployment, until it is stopped."""
    while True:
        threading.Event().wait()


def main(environ: dict[str, str]) -> None:
    """Handle the files first, then the services; outside the workflow folder only the files."""
    settings = InstallerSettings.from_environment(environ)
    if settings.action not in ("copy", "remove", "prefetch"):
        LOG.info("ACTION %s: nothing to do", settings.action)
        return
    if settings.action == "copy":
        copy_tree(settings.source, settings.target)
    elif settings.action == "remove":
        remove_tree(settings.source, settings.target, workflow_mode=settings.workflow_mode)
    if not settings.workflow_mode:
        return
    announce(settings)
    if settings.action == "prefetch":
        wait_forever()


if __name__ == "__main__":
    logging.basicConfig(
        level=logging.DEBUG, stream=sys.stderr, format="%(asctime)s - %(name)s - %(levelname)s - %(message)s"
    )
    try:
        main(dict(os.environ))
    except InstallerError as error:
        LOG.error("%s", error)
        sys.exit(1)
