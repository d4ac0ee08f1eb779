"""Client of the stand-ins: access information, identity, backend, and the control port of the harness."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import PlatformError, RunError
from harness.platform.http import Endpoint, RefusalError
from harness.platform.users import ProjectLike, Users
from harness.wire import names, services_routes
from harness.wire.fields import Json
from harness.wire.index_documents import IndexedDocuments
from harness.wire.notifications import Notification
from harness.wire.polling import Polling
from harness.wire.receipts import ReceivedObject
from harness.wire.scrape_targets import ScrapedTarget
from harness.wire.service_refusals import RefusedRequest

Address = Callable[[int], tuple[str, int]]
_CHUNK = 1 << 20
# the cluster reports a killed container as ready for a moment, and a ready one is reached a moment later
_REACH_S = 15.0
_AGAIN_S = 0.2
_LOOK_S = 0.05
# Kubernetes waits up to five minutes before it starts a container again, and its program takes seconds
_RESTART_S = 330.0


class ServicesClient:
    """All requests of the test process to the services container.

    Args:
        address: port of the container to host and port as reachable from here.
        token: bearer token of the control port.
        client_secret: of the OIDC client.
        restart: gets seconds, waits so long until the cluster says that the services are ready; whether they were not.
    """

    def __init__(self, address: Address, *, token: str, client_secret: str, restart: Callable[[float], bool]) -> None:
        self._control = Endpoint(
            "the harness's services", address(names.HARNESS_SERVICES[2]), headers={"Authorization": f"Bearer {token}"}
        )
        self._aii = Endpoint("the access information service", address(names.AII[2]), host=names.dns_name(names.AII))
        identity = Endpoint("Keycloak", address(names.KEYCLOAK[2]), host=names.dns_name(names.KEYCLOAK))
        self._users = Users(identity, client_secret)
        self._backend = Endpoint(
            "kaapana-backend", address(names.KAAPANA_BACKEND[2]), host=names.dns_name(names.KAAPANA_BACKEND)
        )
        self._harness_token = token
        self._restart = restart
        self._starts: int | None = None

    def __repr__(self) -> str:
        return f"ServicesClient({self._control.base})"

    def close(self) -> None:
        """Close all connections."""
        for endpoint in (self._control, self._aii, self._users, self._backend):
            endpoint.close()

    # -- control port ------------------------------------------------------------------------------------

    def check_health(self) -> None:
        """Check that all listeners are up; raise an error otherwise."""
        self._note_start(self._control.json("GET", services_routes.HEALTH, timeout_s=5))

    def _note_start(self, health: Json | None) -> bool:
        """Return whether the services were started again since they were last asked."""
        before, self._starts = self._starts, int((health or {}).get("starts") or 0)
        return before is not None and self._starts > before

    def wait_for_object_store(self, timeout_s: float) -> None:
        """Wait until MinIO has its buckets and policies and accepts tokens.

        Raises:
            PlatformError: it does not in time; the services' last error with it is named.
        """
        polling = Polling(timeout_s=timeout_s, pause_s=_LOOK_S)
        while True:
            answer = self._control.json("GET", services_routes.HEALTH, timeout_s=5)
            if answer["object_store"]:
                return
            if not polling.again():
                raise PlatformError(
                    f"the object store did not become ready within {timeout_s:.0f} s",
                    last_seen=str(answer.get("object_store_error", "")),
                )

    def upload_series(self, project: str, dataset: str, archive: Path | bytes) -> dict[str, int]:
        """Ingest a zip of DICOM files as the platform's incoming DAG would; instances of each series."""
        content = archive if isinstance(archive, bytes) else _chunks(archive)
        answer = self._control.json(
            "POST",
            services_routes.SERIES,
            content=content,
            params={"project": project, "dataset": dataset},
            headers={"Content-Type": "application/zip"},
            timeout_s=600,
        )
        return {str(uid): int(count) for uid, count in answer["series"].items()}

    def receipts(self, project: str, since: str | None = None) -> list[ReceivedObject]:
        """Return the objects received by DIMSE for the project, oldest first, also over a restart.

        Args:
            project: name.
            since: the first time, in ISO 8601.
        """
        params = {"project": project} | ({"since": since} if since else {})
        found = self._after_restart(lambda: self._control.json("GET", services_routes.RECEIPTS, params=params))
        return [ReceivedObject.from_json(receipt) for receipt in found]

    def receipt_file(self, receipt_id: str) -> bytes:
        """Return the DICOM file of a receipt."""
        return bytes(self._control.request("GET", services_routes.receipt_file(receipt_id)).content)

    def settle(self, timeout_s: float) -> bool:
        """Wait until no peer sends and all received objects are ingested, also over a restart of the services.

        Returns:
            Whether the services restarted since the last call: acknowledged data is there, but data in transit may
            be lost.
        """
        body = {"timeout_s": timeout_s}
        self._after_restart(
            lambda: self._control.request("POST", services_routes.SETTLE, body=body, timeout_s=timeout_s + 10)
        )
        return self._note_start(
            self._after_restart(lambda: self._control.json("GET", services_routes.HEALTH, timeout_s=5))
        )

    def _after_restart(self, call: Callable[[], Any]) -> Any:
        """Retry without an answer, as long as the cluster is starting the services."""
        end = time.monotonic() + _RESTART_S
        polling = Polling(timeout_s=_REACH_S, pause_s=_AGAIN_S)
        while True:
            try:
                return call()
            except RefusalError:
                raise
            except PlatformError:
                left = end - time.monotonic()
                if left > 0 and self._restart(left):
                    polling = Polling(timeout_s=_REACH_S, pause_s=_AGAIN_S)
                elif not polling.again():
                    raise

    def notifications(self, project: str) -> list[Notification]:
        """Return the notifications that were sent to the project's users, the oldest first."""
        found = self._control.json("GET", services_routes.NOTIFICATIONS, params={"project": project})
        return [Notification.from_json(item) for item in found]

    def documents(self, project: str, after: int | None = None) -> IndexedDocuments:
        """Return the documents of the project's metadata index.

        Args:
            after: number of the change behind which documents are wanted; without it there are none in the answer.
        """
        params = {"project": project} | ({} if after is None else {"after": str(after)})
        return IndexedDocuments.from_json(self._control.json("GET", services_routes.DOCUMENTS, params=params))

    def refusals(self, peers: Sequence[str]) -> list[RefusedRequest]:
        """Return the requests that the services and MinIO refused to pods of these addresses, oldest first."""
        found = self._control.json("GET", services_routes.REFUSALS, params={"peer": ",".join(peers)})
        return [RefusedRequest.from_json(item) for item in found]

    def scrape_targets(self, project: str) -> list[ScrapedTarget]:
        """Return the scraped metrics of annotated pods of the project (services 15)."""
        found = self._control.json("GET", services_routes.SCRAPED, params={"project": project})
        return [ScrapedTarget.from_json(target) for target in found]

    def forget_project(self, name: str) -> None:
        """Remove a project with its bucket, index, datasets and users; absent is fine."""
        try:
            self._control.request("DELETE", services_routes.project(name))
        except RefusalError as refused:
            if refused.status != 404:
                raise PlatformError(f"the project {name} cannot be removed", last_seen=refused.detail) from None

    # -- access information (services 9) -------------------------------------------------------------------

    def create_project(self, name: str, description: str, password: str) -> Json:
        """Create a project with its system user, bucket, policy and index; the project object."""
        body = {"name": name, "description": description, "harness": {"project_user_password": password}}
        # a project that exists keeps its password unless the harness itself asks
        headers = {"Authorization": f"Bearer {self._harness_token}"}
        record: Json = self._aii.json("POST", "/projects", body=body, headers=headers)
        return record

    def projects(self) -> list[Json]:
        """Return all project objects."""
        found: list[Json] = self._aii.json("GET", "/projects")
        return found

    def software(self, project: ProjectLike) -> list[str]:
        """Return the DAG ids that were added to the project."""
        found = self._aii.json("GET", f"/projects/{project.record['id']}/software-mappings")
        return [entry["software_uuid"] for entry in found]

    def add_software(self, project: ProjectLike, dag_ids: list[str], *, acting: ProjectLike | None = None) -> None:
        """Add DAGs to a project ("Add Software to Project", build 15).

        Args:
            acting: the project whose user does it; by default the project itself.

        Raises:
            RunError: that user may not.
        """
        self._change_software("POST", project, dag_ids, acting or project)

    def remove_software(self, project: ProjectLike, dag_ids: list[str], *, acting: ProjectLike | None = None) -> None:
        """Remove DAGs from the project's software (build 15); those that are not in it are ignored.

        Raises:
            RunError: the user of ``acting`` may not.
        """
        self._change_software("DELETE", project, dag_ids, acting or project)

    def _change_software(self, method: str, project: ProjectLike, dag_ids: list[str], acting: ProjectLike) -> None:
        if not dag_ids:
            return
        body = [{"software_uuid": dag_id} for dag_id in dag_ids]
        path = f"/projects/{project.record['id']}/software-mappings"
        headers = self._users.headers(acting)
        try:
            self._aii.request(method, path, body=body, headers=headers)
        except RefusalError as refused:
            if refused.status not in {401, 403}:
                raise
            raise RunError(
                f"the user {acting.user} may not change the software of the project {project.name}",
                last_seen=f"HTTP {refused.status} of {path}: {refused.detail}",
                fix="this needs an admin, or a user with the role principal-investigator in that project (the claim "
                "manage_software)",
            ) from None

    # -- backend (runtime 10) --------------------------------------------------------------------------------

    def dags(self, project: ProjectLike) -> list[str]:
        """Return the DAGs that the project's users can choose: visible and added to the project."""
        body = {"instance_names": ["central"], "kind_of_dags": "all"}
        found = self._as_user(project, "POST", "/client/get-dags", body)
        return sorted(found)

    def form_schemas(self, project: ProjectLike, dag_id: str) -> Json:
        """Return the DAG's ``ui_forms`` as the user interface gets them; empty when the DAG is not offered."""
        if dag_id not in self.dags(project):
            return {}
        body = {"instance_names": ["central"], "dag_id": dag_id}
        found = self._as_user(project, "POST", "/client/get-ui-form-schemas", body)
        forms: Json = found.get(dag_id) or {}
        return forms

    def start_workflow(self, project: ProjectLike, body: Json) -> Json:
        """Start a workflow.

        Raises:
            RunError: the platform refuses, with its words; 403 for a DAG that was not added to the project.
        """
        # a refusal of the user's token is another error
        headers = self._users.headers_in_project(project)
        try:
            started: Json = self._backend.json("POST", "/kaapana-backend/client/workflow", body=body, headers=headers)
        except RefusalError as refused:
            dag_id = body.get("dag_id")
            fix = ""
            if refused.status == 403:
                fix = f'add the software {dag_id!r} to the project ("Add Software to Project")'
            raise RunError(
                f"the platform refuses to start {dag_id} in the project {project.name}: {refused.detail}",
                last_seen=f"HTTP {refused.status} of /client/workflow",
                fix=fix,
            ) from None
        return started

    def jobs(self, project: ProjectLike, workflow_name: str) -> list[Json]:
        """Return the jobs of a workflow, by its name with the suffix that the platform gave it."""
        found: list[Json] = self._as_user(project, "GET", "/client/jobs", None, params={"workflow_name": workflow_name})
        return found

    def all_jobs(self, project: ProjectLike) -> list[Json]:
        """Return the jobs of all workflows, newest first; ``project_form`` of their conf names the project of each."""
        found: list[Json] = self._as_user(project, "GET", "/client/jobs", None)
        return found

    def results(self, project: ProjectLike) -> list[Json]:
        """Return the entries of the page "Workflow Results": folders with ``children``, documents with ``path``."""
        found: list[Json] = self._as_user(project, "GET", "/get-static-website-results", None)
        return found

    def result_document(self, project: ProjectLike, key: str) -> bytes:
        """Return a document that the page "Workflow Results" lists, by its key in the project's bucket.

        Raises:
            RunError: the page does not show it.
        """
        headers = self._users.headers_in_project(project)
        path = "/kaapana-backend/get-static-website-results-html"
        try:
            answer = self._backend.request("GET", path, params={"object_name": key}, headers=headers)
        except RefusalError as refused:
            raise RunError(
                f"the results page of the project {project.name} does not show {key}",
                last_seen=f"HTTP {refused.status}: {refused.detail}",
            ) from None
        return bytes(answer.content)

    def datasets(self, project: ProjectLike) -> Any:
        """Return the project's datasets."""
        return self._as_user(project, "GET", "/client/datasets", None)

    def _as_user(
        self, project: ProjectLike, method: str, path: str, body: Any, *, params: dict[str, str] | None = None
    ) -> Any:
        """Return a request as it leaves the platform's ingress: with the project, and the user's name and token."""
        headers = self._users.headers_in_project(project)
        return self._backend.json(method, f"/kaapana-backend{path}", body=body, params=params, headers=headers)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            yield block
