"""An engine in memory, as far as images have names in it."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import threading
from collections.abc import Callable
from typing import Any, Final

import docker.errors
import requests

from harness.common.references import join_reference, split_reference

ARCHIVE: Final = b"archive".ljust(tarfile.BLOCKSIZE, b"\0") + bytes(2 * tarfile.BLOCKSIZE)
"""What it saves; it ends as tar files do."""


class FakeEngine:
    """Names and the images that they mean; every change is noted.

    Attributes:
        images: what it has without a name.
        tags: name with its tag or digest to the id of an image.
        log: the changes.
        during_push: called while a push goes on, with the name.
        remote: what a pull brings, by its name.
        logins: what pulls and pushes log in with.
    """

    base_url = "http://engine"
    api_version = "1.40"
    timeout = 60

    def __init__(self, *images: str, **tags: str) -> None:
        self.images = set(images)
        self.tags: dict[str, str] = dict(tags)
        self.log: list[str] = []
        self.during_push: Callable[[str], object] = lambda name: None
        self.remote: dict[str, str] = {}
        self.pulls = 0
        self.logins: list[dict[str, str]] = []
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def inspect_image(self, name: str) -> dict[str, Any]:
        self.asked.append(name)
        if name != name.lower():
            answer = requests.Response()
            answer.status_code = 400
            raise docker.errors.APIError("Bad Request", answer, "invalid reference format")
        if name in self.images or name in self.tags.values():
            return self._described(name)
        if image := self.tags.get(self._whole(name)):
            return self._described(image)
        raise docker.errors.ImageNotFound(f"no such image: {name}")

    def tag(self, image: str, repository: str, tag: str) -> None:
        found = self.inspect_image(image)["Id"]
        self.tags[f"{repository}:{tag}"] = found
        self.images.add(found)
        self.log.append(f"tag {repository}:{tag} {found}")

    def remove_image(self, name: str, noprune: bool = False) -> None:
        assert noprune
        if self._whole(name) not in self.tags:
            raise docker.errors.ImageNotFound(f"no such image: {name}")
        del self.tags[self._whole(name)]
        self.log.append(f"remove {name}")

    def post(self, url: str, params: dict[str, str], headers: dict[str, str], **options: object) -> requests.Response:
        self.logins.append(json.loads(base64.urlsafe_b64decode(headers["X-Registry-Auth"])))
        path = url.removeprefix(f"{self.base_url}/v{self.api_version}/images/")
        if path == "create":
            self._pull(join_reference(params["fromImage"], params["tag"]))
        else:
            self._push(f"{path.removesuffix('/push')}:{params['tag']}")
        answer = requests.Response()
        answer.status_code = 200
        answer.raw = io.BytesIO(b'{"status": "done"}\r\n')
        return answer

    def get(self, url: str, params: dict[str, list[str]], **options: object) -> requests.Response:
        self.log += [f"save {name} {self.tags[name]}" for name in params["names"]]
        answer = requests.Response()
        answer.status_code = 200
        answer.raw = io.BytesIO(ARCHIVE)
        return answer

    def close(self) -> None:
        """Do nothing."""

    def _push(self, name: str) -> None:
        self.log.append(f"push {name} {self.tags[name]}")
        self.during_push(name)

    def _pull(self, name: str) -> None:
        with self._lock:
            self.pulls += 1
        self.log.append(f"pull {name}")
        self.tags[name] = self.remote[name]

    def _described(self, image: str) -> dict[str, Any]:
        return {"Id": image, "Os": "linux", "Architecture": "amd64", "RootFS": {"Layers": []}}

    def _whole(self, name: str) -> str:
        repository, version = split_reference(name)
        return name if "@" in name else f"{repository}:{version}"
