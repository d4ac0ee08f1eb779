"""Buckets and policies in MinIO, made with the root keys (services 10.1)."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

from harness.incluster.services.access.directory import ProjectRecord
from harness.incluster.services.objecttrace import ObjectRequest, follow

if TYPE_CHECKING:
    from minio import Minio
    from minio.minioadmin import MinioAdmin

log = logging.getLogger("harness.incluster.services.objectstore")

SHARED_BUCKETS: Final = ("uploads", "staticwebsiteresults", "template-analysis-scripts")
_RETRY_S = 0.3


class ObjectStoreError(Exception):
    """MinIO does not answer, or refused; the message names the step."""


@dataclasses.dataclass(frozen=True)
class ObjectEntry:
    """One key of a bucket."""

    key: str
    size: int


class BucketStore(Protocol):
    """What the services do with the object store."""

    def provide_shared(self) -> None:
        """Create the shared buckets and the policy ``kaapanaUser``."""

    def provide_project(self, project: ProjectRecord) -> None:
        """Create the project's bucket and its policy; idempotent."""

    def remove_project(self, project: ProjectRecord) -> None:
        """Remove the bucket with all objects, and the policy."""

    def list(self, bucket: str, prefix: str) -> list[ObjectEntry]:
        """Return all objects below a prefix."""

    def read(self, bucket: str, key: str) -> Iterator[bytes]:
        """Return an object's content in parts; KeyError if it does not exist."""

    def requests(self) -> Iterator[ObjectRequest | None]:
        """Yield requests to the store; see :class:`harness.incluster.services.objectwatch.WatchableStore`."""

    def touch(self, name: str) -> None:
        """Ask for a bucket of this name, which does not exist."""


def policy_document(actions: list[str], resources: list[str]) -> dict[str, Any]:
    """Return an S3 policy that allows the actions on the resources."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [f"s3:{action}" for action in actions],
                "Resource": [f"arn:aws:s3:::{resource}" for resource in resources],
            }
        ],
    }


def shared_policy() -> dict[str, Any]:
    """Return the policy ``kaapanaUser``: objects of the shared buckets."""
    actions = ["GetObject", "PutObject", "DeleteObject", "ListBucket", "GetBucketLocation"]
    return policy_document(actions, [f"{bucket}/*" for bucket in SHARED_BUCKETS])


def project_policy(project: ProjectRecord) -> dict[str, Any]:
    """Return the policy ``admin_project_<id>``: the project's own bucket only."""
    actions = ["ListBucket", "PutObject", "DeleteObject", "GetBucketLocation", "GetObject"]
    return policy_document(actions, [f"{project.bucket}/*"])


def policy_name(project: ProjectRecord) -> str:
    """Return the name of the project's policy, as in the tokens' claim ``policy``."""
    return f"admin_project_{project.id}"


class MinioStore:
    """The real MinIO. The client library is loaded on first use: start-up must not pay for it."""

    def __init__(self, endpoint: str, user: str, password: str) -> None:
        self._endpoint = endpoint
        self._keys = (user, password)
        self._lock = threading.Lock()
        self._clients: tuple[Minio, MinioAdmin] | None = None

    def _connect(self) -> tuple[Minio, MinioAdmin]:
        with self._lock:
            if self._clients is None:
                import urllib3
                from minio import Minio
                from minio.credentials.providers import StaticProvider
                from minio.minioadmin import MinioAdmin

                # no retries inside the client: the caller decides how long to wait
                pool = urllib3.PoolManager(
                    timeout=urllib3.Timeout(connect=2, read=30), retries=urllib3.Retry(total=0), maxsize=8
                )
                client = Minio(
                    self._endpoint, self._keys[0], self._keys[1], secure=False, http_client=pool, region="us-east-1"
                )
                provider = StaticProvider(*self._keys)
                admin = MinioAdmin(endpoint=self._endpoint, credentials=provider, secure=False, http_client=pool)
                self._clients = client, admin
            return self._clients

    @contextlib.contextmanager
    def _step(self, step: str) -> Iterator[tuple[Minio, MinioAdmin]]:
        """Yield the clients for one step; their many exceptions become one that names it."""
        try:
            yield self._connect()
        except Exception as problem:
            # before a node knows the Service, its address leads out of the cluster: what answers there must not be
            # asked again through a connection that stays open
            self._clients = None
            if isinstance(problem, ObjectStoreError):
                raise
            raise ObjectStoreError(f"{step}: {type(problem).__name__}: {problem}") from problem

    def provide_shared(self) -> None:
        with self._step("the shared buckets") as (client, admin):
            for bucket in SHARED_BUCKETS:
                _make_bucket(client, bucket)
            admin.policy_add("kaapanaUser", policy=shared_policy())

    def provide_project(self, project: ProjectRecord) -> None:
        with self._step(f"the bucket of project {project.name!r}") as (client, admin):
            _make_bucket(client, project.bucket)
            admin.policy_add(policy_name(project), policy=project_policy(project))

    def remove_project(self, project: ProjectRecord) -> None:
        from minio.deleteobjects import DeleteObject

        with self._step(f"removing the bucket of project {project.name!r}") as (client, admin):
            if client.bucket_exists(project.bucket):
                found = client.list_objects(project.bucket, recursive=True)
                doomed = (DeleteObject(item.object_name) for item in found if item.object_name)
                for problem in client.remove_objects(project.bucket, doomed):
                    raise ObjectStoreError(f"object {problem.name!r} of {project.bucket} stays: {problem.message}")
                client.remove_bucket(project.bucket)
            admin.policy_remove(policy_name(project))

    def list(self, bucket: str, prefix: str) -> list[ObjectEntry]:
        with self._step(f"listing {bucket}/{prefix}") as (client, _):
            found = client.list_objects(bucket, prefix=prefix, recursive=True)
            return [ObjectEntry(item.object_name, item.size or 0) for item in found if item.object_name]

    def read(self, bucket: str, key: str) -> Iterator[bytes]:
        from minio.error import S3Error

        try:
            with self._step(f"reading {bucket}/{key}") as (client, _):
                answer = client.get_object(bucket, key)
        except ObjectStoreError as problem:
            cause = problem.__cause__
            if isinstance(cause, S3Error) and cause.code in {"NoSuchKey", "NoSuchBucket"}:
                raise KeyError(f"{bucket}/{key}") from None
            raise
        try:
            yield from answer.stream(1 << 20)
        finally:
            answer.close()
            answer.release_conn()

    def requests(self) -> Iterator[ObjectRequest | None]:
        return follow(self._endpoint, *self._keys)

    def touch(self, name: str) -> None:
        import urllib3

        # without a signature: MinIO refuses it, and tells of it like of any request
        timeout = urllib3.Timeout(connect=2, read=10)
        urllib3.request("GET", f"http://{self._endpoint}/{name}", timeout=timeout, retries=False)


def _make_bucket(client: Minio, bucket: str) -> None:
    from minio.error import S3Error

    try:
        client.make_bucket(bucket)
    except S3Error as problem:
        if problem.code != "BucketAlreadyOwnedByYou":
            raise


class Provisioner:
    """Makes what must exist from the start, as soon as MinIO answers: MinIO waits for our keys, so we wait for it."""

    def __init__(self, store: BucketStore, admin_project: ProjectRecord) -> None:
        self.store = store
        self._admin = admin_project
        self._stop = threading.Event()
        self.done = threading.Event()
        self.last_error = "MinIO was not asked yet"
        self._thread = threading.Thread(target=self._run, name="object-store", daemon=True)

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End the background thread."""
        self._stop.set()
        self._thread.join(timeout=35)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.store.provide_shared()
                self.store.provide_project(self._admin)
            except ObjectStoreError as problem:
                if str(problem) != self.last_error:
                    log.info("object store: %s", problem)
                self.last_error = str(problem)
                self._stop.wait(_RETRY_S)
            else:
                self.last_error = ""
                self.done.set()
                return
