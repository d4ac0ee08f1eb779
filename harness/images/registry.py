"""A client of an image registry: query it, and push images of the engine to it."""

from __future__ import annotations

import hashlib
import ssl
import urllib.parse
from types import TracebackType
from typing import Any

import httpx

from harness import engine
from harness.common.progress import OnProgress, quiet
from harness.common.references import api_host, is_host, is_public, split_reference
from harness.engine import logins
from harness.engine.logins import FoundLogin, StoredLogin
from harness.errors import ImageError, PlatformError
from harness.images import temporary_names
from harness.images.derivation import DerivedImage
from harness.images.registry_errors import RegistryAnswerError, RegistryRefusedError
from harness.images.registry_login import RegistryLogin
from harness.wire.images import MANIFEST_TYPES

_LOOPBACK = ("localhost", "127.")
# besides httpx's own: a name with an empty label, and a port above 65535, which sockets refuse
_FAILURES = (httpx.RequestError, httpx.InvalidURL, UnicodeError, OverflowError)


def parse_address(address: str) -> tuple[str, str]:
    """Return the address of a registry's API, and the prefix of its repositories.

    Args:
        address: ``host:port`` as in references; or with a path behind it, below which
            all repositories are.

    Returns:
        URL of the server, and the path with a slash at its end or nothing. Like engines and nodes it is asked without
        TLS on the loopback address only.
    """
    host, _, prefix = address.partition("/")
    scheme = "http" if host.startswith(_LOOPBACK) else "https"
    return f"{scheme}://{api_host(host)}", f"{prefix}/" if prefix else ""


class RegistryClient:
    """A registry, or the part of one below a path. Thread-safe; close it, or use it as a context manager.

    Args:
        address: as in references, see :func:`parse_address`.
        login: name and password; by default the user's own with TLS, and none on the loopback address.
        of_user: it is a user's registry, whose login also counts on the loopback address.
        timeout_s: seconds until a request fails.

    Raises:
        PlatformError: the address cannot be that of a server.
    """

    def __init__(
        self,
        address: str,
        *,
        login: tuple[str, str] | None = None,
        of_user: bool = False,
        timeout_s: float = 30.0,
    ) -> None:
        self.address = address
        self._login = login
        self._url, self._prefix = parse_address(address)
        self._host = host = address.partition("/")[0]
        self._public = is_public(host)
        # the harness's own registries need no login of the user
        secure = self._url.startswith("https://")
        self._user = RegistryLogin(host) if secure or of_user else None
        try:
            if not is_host(host):
                raise httpx.InvalidURL("not an address of a registry")
            self._http = httpx.Client(
                base_url=self._url,
                timeout=timeout_s,
                trust_env=False,
                auth=httpx.BasicAuth(*login) if login else self._user,
                # the system's authorities, with those of the site; loading takes a while, and plain HTTP needs none
                verify=ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            )
        except httpx.InvalidURL as error:
            raise PlatformError(
                f"the registry {address} cannot be asked: {host!r} is not host[:port]", last_seen=str(error)
            ) from None

    def __enter__(self) -> RegistryClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ready(self) -> bool:
        """Return whether a registry answers. The header counts: on some networks an interceptor answers everything."""
        try:
            answer = self._http.get("/v2/")
        except (*_FAILURES, PlatformError):
            return False
        return answer.status_code == 200 and "docker-distribution-api-version" in answer.headers

    def catalog(self) -> list[str]:
        """Return the names of all repositories, sorted."""
        found = self._pages("/v2/_catalog", "repositories")
        return sorted(name.removeprefix(self._prefix) for name in found if name.startswith(self._prefix))

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository, sorted; empty when there is no such repository."""
        return sorted(self._pages(f"{self._path(repository)}/tags/list", "tags"))

    def tags_if_listed(self, repository: str) -> list[str]:
        """Return the tags of a repository for a hint; empty if the registry does not list them, as for a pull login."""
        try:
            return self.tags(repository)
        except PlatformError:
            return []

    def digest(self, repository: str, tag: str) -> str | None:
        """Return the digest of the manifest, or ``None`` when the registry does not have it."""
        answer = self._get(f"{self._path(repository)}/manifests/{tag}", method="HEAD")
        if answer.status_code != 200:
            return None
        if digest := answer.headers.get("docker-content-digest"):
            return str(digest)
        # the header is only recommended
        found = self.manifest(repository, tag)
        return found[0] if found else None

    def has(self, repository: str, tag: str, image_id: str) -> bool:
        """Return whether the manifest of this tag describes exactly this image of the engine."""
        found = self.manifest(repository, tag)
        if found is None:
            return False
        digest, document = found
        config = document.get("config")
        # the id is the digest of the configuration, or with a containerd store that of the manifest
        return image_id == digest or (isinstance(config, dict) and config.get("digest") == image_id)

    def manifest(self, repository: str, tag: str) -> tuple[str, dict[str, Any]] | None:
        """Return digest and content of the manifest of a tag or digest, ``None`` when the registry does not have it."""
        answer = self._get(f"{self._path(repository)}/manifests/{tag}")
        if answer.status_code != 200:
            return None
        digest = answer.headers.get("docker-content-digest") or f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        return str(digest), self._object(answer)

    def blob(self, repository: str, digest: str) -> dict[str, Any]:
        """Return a JSON document that is stored as a blob, such as the configuration of an image; empty if missing."""
        answer = self._get(f"{self._path(repository)}/blobs/{digest}", follow_redirects=True)
        return self._object(answer) if answer.status_code == 200 else {}

    def put(self, reference: str, image: DerivedImage) -> None:
        """Tag an image whose layers the repository already has.

        Args:
            reference: ``<repository>:<tag>``.
            image: its documents.

        Raises:
            PlatformError: the registry does not take it.
        """
        repository, tag = split_reference(reference)
        path = self._path(repository)
        begun = self._send("POST", f"{path}/blobs/uploads/")
        try:
            place = httpx.URL(begun.headers.get("location", "")).copy_add_param("digest", image.configuration.digest)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise self._strange_answer_error(begun, f"its upload has no address ({error})") from None
        # on this server only: the login is not for another one
        self._send("PUT", place.raw_path.decode("ascii"), image.configuration.content, "application/octet-stream")
        self._send("PUT", f"{path}/manifests/{tag}", image.manifest.content, image.manifest.media_type)

    def delete(self, repository: str, digest: str) -> bool:
        """Delete a manifest; whether the registry does such a thing."""
        try:
            return self._http.delete(f"{self._path(repository)}/manifests/{digest}").status_code in {202, 404}
        except (*_FAILURES, PlatformError):
            return False

    def push(self, image: str, reference: str, on_line: OnProgress = quiet) -> str:
        """Push an image of the engine; the user's own tags stay unchanged.

        Args:
            image: id or tag in the engine.
            reference: ``<repository>:<tag>``, with or without this registry's address before it.
            on_line: gets a line for every layer and state.

        Returns:
            Digest of the manifest.

        Raises:
            ImageError: the engine does not have the image, or the push fails.
        """
        import docker
        import requests

        repository, tag = split_reference(reference.removeprefix(f"{self.address}/"))
        target = f"{self.address}/{repository}"
        api = engine.connect_api(timeout_s=600)
        try:
            # the name is needed for the push only
            with temporary_names.give_names(api, {f"{target}:{tag}": image}):
                states: dict[str, str] = {}
                for event in engine.push(api, f"{target}:{tag}", self._find_login()):
                    _report(event, states, on_line)
        except docker.errors.ImageNotFound:
            raise ImageError(f"there is no image {image} to push", fix="build it first") from None
        except (docker.errors.APIError, requests.RequestException, engine.TransferError) as error:
            raise ImageError(f"{target}:{tag} cannot be pushed", last_seen=engine.read_message(error)) from None
        finally:
            api.close()
        digest = self.digest(repository, tag)
        if digest is None:
            raise ImageError(f"{target}:{tag} was pushed, but the registry does not have it")
        return digest

    def _find_login(self) -> FoundLogin:
        """Return what the engine logs in with."""
        if self._login:
            return FoundLogin(StoredLogin(*self._login))
        return logins.find_login(self._host) if self._user else FoundLogin()

    def _path(self, repository: str) -> str:
        """Return the path of a repository in the API; Docker's own registry has plain names below ``library``."""
        full = f"{self._prefix}{repository}"
        return f"/v2/library/{full}" if self._public and "/" not in full else f"/v2/{full}"

    def _get(self, path: str, *, method: str = "GET", follow_redirects: bool = False) -> httpx.Response:
        headers = {"Accept": ", ".join(MANIFEST_TYPES)}
        return self._ask(method, path, frozenset({200, 404}), headers=headers, follow_redirects=follow_redirects)

    def _send(self, method: str, path: str, content: bytes = b"", media_type: str = "") -> httpx.Response:
        headers = {"Content-Type": media_type} if media_type else {}
        return self._ask(method, path, frozenset({201, 202}), headers=headers, content=content)

    def _ask(self, method: str, path: str, expected: frozenset[int], **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)
        except _FAILURES as error:
            raise PlatformError(
                f"the registry {self.address} does not answer", last_seen=f"{method} {path}: {error}"
            ) from None
        if answer.status_code not in expected:
            failure = self._user.found.failure if self._user else ""
            raise RegistryRefusedError(self.address, answer.status_code, path, answer.text[:500], failure)
        return answer

    def _object(self, answer: httpx.Response) -> dict[str, Any]:
        """Return the JSON object that an answer consists of."""
        try:
            document = answer.json()
        except (ValueError, RecursionError):
            raise self._strange_answer_error(answer, "it is not JSON") from None
        if not isinstance(document, dict):
            raise self._strange_answer_error(answer, "it is not a JSON object")
        return document

    def _strange_answer_error(self, answer: httpx.Response, problem: str) -> RegistryAnswerError:
        request = answer.request
        return RegistryAnswerError(
            self.address, self._url, f"{request.method} {request.url.path}", problem, answer.text[:500]
        )

    def _pages(self, path: str, key: str) -> list[str]:
        found: list[str] = []
        seen: set[str] = set()
        while path and path not in seen:
            seen.add(path)
            answer = self._get(path, method="GET")
            if answer.status_code == 404:
                break
            names = self._object(answer).get(key) or []
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise self._strange_answer_error(answer, f"{key} is not a list of names")
            found += names
            try:
                following = urllib.parse.urljoin(path, answer.links.get("next", {}).get("url", ""))
                # on this server only: the login is not for another one
                path = urllib.parse.urlunsplit(("", "", *urllib.parse.urlsplit(following)[2:4], ""))
            except ValueError as error:
                raise self._strange_answer_error(answer, f"its next page has no address ({error})") from None
        return found


def _report(event: dict[str, Any], states: dict[str, str], on_line: OnProgress) -> None:
    """Report each change of a layer's state once; the engine repeats a state with every block."""
    layer, status = str(event.get("id", "")), str(event.get("status", ""))
    if status and states.get(layer) != status:
        states[layer] = status
        on_line(f"{layer}: {status}" if layer else status)
