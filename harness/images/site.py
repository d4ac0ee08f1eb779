"""Collect the settings that builds need to reach packages at this site: certificates, package indexes, proxies.

Hospitals put an intercepting proxy, an own certificate authority or a mirror between a machine and the package
indexes. An author's Dockerfile knows none of them. So this module collects the host's settings once:

* certificates and indexes become files of the lowest base image (:meth:`SiteSettings.files`), from which every
  image of an extension that is built on ``local-only/...`` inherits them;
* proxies travel as the build arguments that an engine predefines: it shows them to every ``RUN`` and keeps them
  out of the image and of its history;
* where Go modules come from is given only to the one build that needs it.

Nothing in here is printed, and output never shows passwords of addresses. A password of an index address enters an
image only with ``KAAPANA_HARNESS_INDEX_CREDENTIALS=1``; without it the user part is removed.
"""

from __future__ import annotations

import configparser
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from harness.common import documents
from harness.common.redaction import REDACTOR
from harness.doctor.address import configuration_folder, find_address
from harness.errors import UsageError
from harness.settings import how_to_set
from harness.settings.variables import APT_MIRROR, BUILD_NETWORK, INDEX_CREDENTIALS, TORCH_INDEX

SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
"""Where the distribution keeps its bundle: on the host as in our images."""

_OTHER_BUNDLES = (Path("/etc/pki/tls/certs/ca-bundle.crt"), Path("/etc/ssl/ca-bundle.pem"), Path("/etc/ssl/cert.pem"))
_BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
_DOCKER_KEYS = {name: name.lower().replace("_proxy", "Proxy") for name in PROXY_VARIABLES}
_GO_VARIABLES = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "GOFLAGS")
# the bundle of a distribution has some hundred kilobytes
_MOST_BYTES = 16 << 20
_NAME_A_BUNDLE = f"name a PEM file with {how_to_set('ca_bundle')}"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
# of one of the addresses in a list
_GO_USER = re.compile(r"(?<=://)[^/\s,|]*@")
_USER = re.compile(r"(?:^|://|[,|\s])([^/\s:@]*):([^/\s]+)@")
_USER_PART = re.compile(r"(?:^|://|[,|\s])[^/\s]*@")


@dataclasses.dataclass(frozen=True)
class SiteSettings:
    """The collected settings. ``repr`` shows which there are, never their values.

    Attributes:
        certificates: a PEM bundle, or empty.
        index: keys of pip's configuration (``index-url``, ``extra-index-url``, ``find-links``, ``trusted-host``).
        proxies: predefined build arguments, both spellings.
        go: environment of the Go toolchain.
        apt_mirror: a mirror of the distribution (``KAAPANA_HARNESS_APT_MIRROR``), or empty for its own ones.
        torch_index: an index with CPU wheels of PyTorch (``KAAPANA_HARNESS_TORCH_INDEX``), or empty.
        network: the engine's network for builds (``KAAPANA_HARNESS_BUILD_NETWORK``), or empty to choose.
        keep_users: user parts of addresses enter images (``KAAPANA_HARNESS_INDEX_CREDENTIALS=1``).
        docker_proxies: the configuration of ``docker`` names proxies, which its clients pass to builds.
    """

    certificates: bytes = dataclasses.field(default=b"", repr=False)
    index: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    proxies: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    go: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    apt_mirror: str = dataclasses.field(default="", repr=False)
    torch_index: str = dataclasses.field(default="", repr=False)
    network: str = ""
    keep_users: bool = False
    docker_proxies: bool = False

    @classmethod
    def detect(
        cls,
        *,
        ca_bundle: Path | None = None,
        environ: Mapping[str, str] | None = None,
        config_files: Iterable[Path] | None = None,
        bundles: Iterable[Path] = (SYSTEM_BUNDLE, *_OTHER_BUNDLES),
    ) -> SiteSettings:
        """Collect the settings of this host.

        Args:
            ca_bundle: a bundle that was named by the user; wins over everything that is found.
            environ: the environment, ``os.environ`` by default.
            config_files: configuration files of pip in rising precedence, pip's own places by default.
            bundles: files that are tried when no variable names a bundle.

        Raises:
            UsageError: the named bundle cannot be read or holds no certificate; or an index or a proxy is no address.
        """
        environ = os.environ if environ is None else environ
        files = _pip_files(environ) if config_files is None else config_files
        of_docker = _docker_proxies(environ)
        site = cls(
            certificates=_certificates(ca_bundle, environ, bundles),
            index=_index(environ, files),
            proxies=_proxies(environ, of_docker),
            docker_proxies=bool(of_docker),
            go=_go(environ),
            apt_mirror=APT_MIRROR.read(environ),
            torch_index=TORCH_INDEX.read(environ),
            network=BUILD_NETWORK.read(environ),
            keep_users=_keeps_users(environ),
        )
        # what fails may show the address that it was given
        addresses = (*site.proxies.values(), *site.index.values(), *site.go.values(), site.apt_mirror, site.torch_index)
        for value in addresses:
            for user, password in _USER.findall(value):
                REDACTOR.add_given_login(unquote(user), unquote(password))
                REDACTOR.add_given_login(user, password)
        return site

    @property
    def secret_proxies(self) -> tuple[str, ...]:
        """Names of proxies with a password in their address, in both spellings."""
        return tuple(name for name, value in self.proxies.items() if has_password(value))

    @property
    def network_mode(self) -> str | None:
        """The network that builds run in: ``host`` when a proxy listens on the loopback address only."""
        if self.network:
            return self.network
        hosts = [_host(url) for name, url in self.proxies.items() if name.upper() != "NO_PROXY"]
        return "host" if any(host == "localhost" or host.startswith("127.") for host in hosts) else None

    @property
    def apt_mirror_of_images(self) -> str:
        """The mirror without the user part, unless that is wanted in images."""
        return _address(self.apt_mirror, self.keep_users)

    @property
    def torch_index_of_images(self) -> str:
        """The index of PyTorch without the user part, unless that is wanted in images."""
        return _address(self.torch_index, self.keep_users)

    def files(self) -> dict[str, bytes]:
        """Return the files of the lowest base image: ``ca.pem``, ``pip.conf``, ``uv.toml``, ``apt-mirror``."""
        pip = ["[global]", "disable-pip-version-check = true", "root-user-action = ignore"]
        # Stated once for both programs; a bytecode file for every module, since containers are started often.
        uv = ["no-cache = true", 'link-mode = "copy"']
        if self.certificates:
            pip.append(f"cert = {SYSTEM_BUNDLE}")
        pip.extend(f"{key} = " + value.replace("\n", "\n    ") for key, value in sorted(self.index.items()))
        if "index-url" in self.index:
            uv.append(f"index-url = {json.dumps(self.index['index-url'])}")
        for key in ("extra-index-url", "find-links"):
            if key in self.index:
                uv.append(f"{key} = {json.dumps(self.index[key].split())}")
        if "trusted-host" in self.index:
            uv.append(f"allow-insecure-host = {json.dumps(self.index['trusted-host'].split())}")
        uv += ["[pip]", "compile-bytecode = true"]
        return {
            "ca.pem": self.certificates,
            "pip.conf": ("\n".join(pip) + "\n").encode(),
            "uv.toml": ("\n".join(uv) + "\n").encode(),
            "apt-mirror": self.apt_mirror_of_images.encode(),
        }

    def digest(self) -> str:
        """Hash of what enters the images."""
        state = hashlib.sha256()
        for name, content in sorted(self.files().items()):
            state.update(f"{name}:{len(content)}:".encode() + content)
        return state.hexdigest()


def _certificates(named: Path | None, environ: Mapping[str, str], bundles: Iterable[Path]) -> bytes:
    if named is not None:
        try:
            content = documents.read_bytes(named, most=_MOST_BYTES)
        except documents.UnreadableError as error:
            raise UsageError(f"the CA bundle {named} cannot be read: {error}", fix=_NAME_A_BUNDLE) from None
        if b"BEGIN CERTIFICATE" not in content:
            raise UsageError(f"the CA bundle {named} holds no certificate", fix=_NAME_A_BUNDLE)
        return _without_keys(content)
    candidates = [Path(environ[name]) for name in _BUNDLE_VARIABLES if environ.get(name)]
    for path in (*candidates, *bundles):
        with contextlib.suppress(documents.UnreadableError):
            if b"BEGIN CERTIFICATE" in (content := documents.read_bytes(path, most=_MOST_BYTES)):
                return _without_keys(content)
    return b""


def _without_keys(bundle: bytes) -> bytes:
    """Return a bundle unchanged, or only its certificates if it contains a private key."""
    if b"PRIVATE KEY-----" not in bundle:
        return bundle
    return b"\n".join(_CERTIFICATE.findall(bundle)) + b"\n"


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    home = Path(environ.get("HOME") or "~").expanduser()
    if environ.get("PIP_CONFIG_FILE") == os.devnull:
        return []
    roots = [Path(folder) for folder in reversed((environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"))]
    files = [root / "pip" / "pip.conf" for root in roots]
    files += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf"]
    files += [Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"]
    files += [Path(sys.prefix) / "pip.conf"]
    if environ.get("PIP_CONFIG_FILE"):
        files.append(Path(environ["PIP_CONFIG_FILE"]))
    return files


def _index(environ: Mapping[str, str], files: Iterable[Path]) -> dict[str, str]:
    keys = ("index-url", "extra-index-url", "find-links", "trusted-host")
    # the value of each key, and what gave it
    found: dict[str, tuple[str, str]] = {}
    for path in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(documents.read_text(path))
        except (configparser.Error, documents.DocumentError):
            continue  # pip itself will say so; a build can still work without it
        for section in ("global", "install"):
            given = {key: parser[section][key] for key in keys if parser.has_option(section, key)}
            found.update({key: (value, f"{path}: {key}") for key, value in given.items()})
    for key in keys:
        variable = key.upper().replace("-", "_")
        for name in (f"UV_{variable}", f"PIP_{variable}"):
            if environ.get(name):
                found[key] = environ[name], name
    if "index-url" not in found and environ.get("UV_DEFAULT_INDEX"):
        found["index-url"] = environ["UV_DEFAULT_INDEX"], "UV_DEFAULT_INDEX"
    keep_user = _keeps_users(environ)
    result = {}
    for key, (value, where) in found.items():
        words = value.split()
        if key != "trusted-host":
            # A folder of this host does not exist inside a build.
            with _explain_address(where):
                words = [_address(word, keep_user) for word in words if urlsplit(word).scheme in {"http", "https"}]
        if words:
            result[key] = "\n".join(words)
    return result


def _keeps_users(environ: Mapping[str, str]) -> bool:
    return INDEX_CREDENTIALS.read(environ) == "1"


def has_password(address: str) -> bool:
    """Return whether an address, or one in a list of addresses, has a user part."""
    return _USER_PART.search(address) is not None


def _address(url: str, keep_user: bool) -> str:
    parts = urlsplit(url)
    if keep_user or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _docker_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies in the configuration of ``docker``, which its clients pass to builds.

    Those of an engine, by its address, go before those of all engines.
    """
    try:
        proxies = json.loads(documents.read_text(configuration_folder(environ) / "config.json"))["proxies"]
        given = proxies.get(find_address(environ).url, proxies.get("default"))
        return {
            name: given[key] for name, key in _DOCKER_KEYS.items() if isinstance(given.get(key), str) and given[key]
        }
    except (documents.DocumentError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # the search for the engine reports a damaged configuration
        return {}


def _proxies(environ: Mapping[str, str], of_docker: Mapping[str, str]) -> dict[str, str]:
    result = {}
    for name in PROXY_VARIABLES:
        value = environ.get(name) or environ.get(name.lower()) or of_docker.get(name)
        if value:
            if name != "NO_PROXY":
                with _explain_address(name):
                    _host(value)
            result[name] = result[name.lower()] = value
    return result


def _host(url: str) -> str:
    return urlsplit(url if "//" in url else f"//{url}").hostname or ""


@contextlib.contextmanager
def _explain_address(where: str) -> Iterator[None]:
    """Name what holds no address, but not its value, which may carry a password, nor the error, which shows it."""
    try:
        yield
    except ValueError:
        raise UsageError(f"{where} holds no address of a server", fix="correct it, or unset it") from None


def _go(environ: Mapping[str, str]) -> dict[str, str]:
    home = Path(environ.get("HOME") or "~").expanduser()
    path = Path(environ.get("GOENV") or Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "go" / "env")
    found: dict[str, str] = {}
    with contextlib.suppress(documents.UnreadableError):
        lines = documents.read_bytes(path).decode("utf-8", "replace").splitlines()
        pairs = (line.partition("=") for line in lines)
        found = {name.strip(): value.strip() for name, separator, value in pairs if separator}
    found.update(environ)
    # A module mirror in a folder of this host cannot be used by a build; flags that name one neither.
    local = ("file:", "-modfile")
    used = {name: found[name] for name in _GO_VARIABLES if found.get(name) and not found[name].startswith(local)}
    return used if _keeps_users(environ) else {name: _GO_USER.sub("", value) for name, value in used.items()}
