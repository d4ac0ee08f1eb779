"""All objects of the cluster, in memory, with resource versions and watchers.

Everything happens on one event loop, so there are no locks. Objects that were handed out are never changed:
an update replaces them.
"""

from __future__ import annotations

import asyncio
import collections
import copy
import datetime
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

from harness.incluster.controlplane.errors import already_exists, not_found
from harness.kube import Manifest
from harness.kube.kinds import kind_named

# kept so that a broken watch can continue
_HISTORY = 4096


class Key(NamedTuple):
    """The identity of an object; ``namespace`` is empty for kinds without one."""

    kind: str
    namespace: str
    name: str


class Change(NamedTuple):
    """One change: ``ADDED``, ``MODIFIED`` or ``DELETED``, the object before and after it."""

    version: int
    what: str
    before: Manifest | None
    after: Manifest


Listener = Callable[[Change], None]


def key_of(manifest: Manifest) -> Key:
    """Return the identity of an object."""
    metadata = manifest["metadata"]
    return Key(manifest["kind"], metadata.get("namespace") or "", metadata["name"])


def now() -> str:
    """Return the time as Kubernetes writes it, with milliseconds."""
    time = datetime.datetime.now(datetime.timezone.utc)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Store:
    """The objects."""

    def __init__(self) -> None:
        self.version = 1
        self._objects: dict[Key, Manifest] = {}
        self._history: collections.deque[Change] = collections.deque(maxlen=_HISTORY)
        self._queues: set[asyncio.Queue[Change]] = set()
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` on every change, at once."""
        self._listeners.append(listener)

    def find(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """Return an object, or ``None``."""
        return self._objects.get(Key(kind, namespace or "", name))

    def get(self, kind: str, namespace: str | None, name: str) -> Manifest:
        """Return an object.

        Raises:
            StatusError: 404.
        """
        manifest = self.find(kind, namespace, name)
        if manifest is None:
            raise not_found(kind_named(kind).plural, name)
        return manifest

    def list(self, kind: str, namespace: str | None = None) -> Iterator[Manifest]:
        """Yield all objects of a kind, in one namespace or in all."""
        for key, manifest in tuple(self._objects.items()):
            if key.kind == kind and (not namespace or key.namespace == namespace):
                yield manifest

    def in_namespace(self, namespace: str) -> Iterator[Manifest]:
        """Yield all objects of a namespace."""
        for key, manifest in tuple(self._objects.items()):
            if key.namespace == namespace:
                yield manifest

    def owned_by(self, uid: str) -> Iterator[Manifest]:
        """Yield all objects with this owner."""
        for manifest in tuple(self._objects.values()):
            owners = manifest["metadata"].get("ownerReferences") or ()
            if any(owner["uid"] == uid for owner in owners):
                yield manifest

    def create(self, manifest: Manifest) -> Manifest:
        """Add an object; it gets its uid, creation time and version.

        Raises:
            StatusError: 409, it exists.
        """
        key = key_of(manifest)
        if key in self._objects:
            raise already_exists(kind_named(key.kind).plural, key.name)
        manifest = copy.deepcopy(manifest)
        metadata = manifest["metadata"]
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now()
        metadata["generation"] = 1
        return self._record("ADDED", key, None, manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        """Put a changed copy of an object in its place; nothing happens when nothing differs."""
        key = key_of(manifest)
        before = self._objects[key]
        manifest["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
        if manifest == before:
            return before
        if manifest.get("spec") != before.get("spec"):
            manifest["metadata"]["generation"] = before["metadata"].get("generation", 1) + 1
        return self._record("MODIFIED", key, before, manifest)

    def edit(self, key: Key, change: Callable[[Manifest], None]) -> Manifest | None:
        """Change an object by a function of its copy; return ``None`` if it is gone."""
        before = self._objects.get(key)
        if before is None:
            return None
        manifest = copy.deepcopy(before)
        change(manifest)
        return self.replace(manifest)

    def remove(self, key: Key) -> Manifest | None:
        """Remove an object; return ``None`` if it is gone already."""
        before = self._objects.get(key)
        if before is None:
            return None
        manifest = copy.deepcopy(before)
        del self._objects[key]
        return self._record("DELETED", key, before, manifest)

    def _record(self, what: str, key: Key, before: Manifest | None, after: Manifest) -> Manifest:
        self.version += 1
        after["metadata"]["resourceVersion"] = str(self.version)
        if what != "DELETED":
            self._objects[key] = after
        change = Change(self.version, what, before, after)
        self._history.append(change)
        for queue in self._queues:
            queue.put_nowait(change)
        for listener in self._listeners:
            listener(change)
        return after

    def since(self, version: int) -> tuple[Change, ...] | None:
        """Return the changes after a version; ``None`` when they are not remembered any more."""
        if version > self.version:
            return None
        oldest = self._history[0].version if self._history else self.version + 1
        if version + 1 < oldest:
            return None
        return tuple(change for change in self._history if change.version > version)

    def subscribe(self) -> asyncio.Queue[Change]:
        """Return a queue that gets every change from now on."""
        queue: asyncio.Queue[Change] = asyncio.Queue()
        self._queues.add(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[Change]) -> None:
        """Stop feeding a queue."""
        self._queues.discard(queue)
