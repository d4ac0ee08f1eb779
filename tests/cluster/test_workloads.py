"""Jobs, Deployments, namespaces and claims."""

from __future__ import annotations

from typing import Any

import pytest

from harness.cluster import Cluster
from harness.kube import Forbidden, Invalid, Manifest, NotFound
from tests.cluster.objects import Objects, http_server, is_ready, only_on_docker, python, shell


def _job(project: Objects, name: str, container: dict[str, Any], **spec: Any) -> None:
    # a Job has failed when its pods have ended, and a shell that is the first process ignores SIGTERM
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]}
    template = {"spec": pod}
    project.create("Job", name, "batch/v1", spec={"template": template, **spec})


def _deployment(project: Objects, name: str, container: dict[str, Any], *, grace_s: int = 30) -> Manifest:
    labels = {"app": name}
    pod = {"containers": [container], "terminationGracePeriodSeconds": grace_s}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return project.create("Deployment", name, "apps/v1", spec=spec)


def _condition(manifest: Manifest, kind: str) -> dict[str, Any]:
    for entry in (manifest.get("status") or {}).get("conditions") or ():
        if entry["type"] == kind and entry["status"] == "True":
            return dict(entry)
    return {}


def test_a_job_is_complete_when_its_pod_has_succeeded(project: Objects) -> None:
    _job(project, "copy", shell("echo done"))
    job = project.until("Job", "copy", lambda job: _condition(job, "Complete"))
    assert job["status"]["succeeded"] == 1
    assert job["status"]["completionTime"]
    pod = project.api.list("Pod", project.namespace, labels={"job-name": "copy"})[0]
    assert project.log(pod["metadata"]["name"]) == "done"


def test_a_job_fails_after_as_many_attempts_as_its_limit_says(project: Objects) -> None:
    _job(project, "broken", shell("exit 7"), backoffLimit=1)
    job = project.until("Job", "broken", lambda job: _condition(job, "Failed"))
    assert _condition(job, "Failed")["reason"] == "BackoffLimitExceeded"
    assert job["status"]["failed"] == 2
    assert len(project.api.list("Pod", project.namespace, labels={"job-name": "broken"})) == 2


def test_a_job_ends_at_its_deadline_and_its_pod_with_it(project: Objects) -> None:
    _job(project, "slow", shell("exec sleep 60"), activeDeadlineSeconds=1)
    job = project.until("Job", "slow", lambda job: _condition(job, "Failed"))
    assert _condition(job, "Failed")["reason"] == "DeadlineExceeded"


def test_the_pods_of_a_deleted_job_go_with_it(project: Objects) -> None:
    _job(project, "gone", python("import signal; signal.signal(15, lambda *a: exit()); signal.pause()"))
    pod = project.api.list("Pod", project.namespace, labels={"job-name": "gone"}) or [
        next(project.api.watch("Pod", project.namespace, labels={"job-name": "gone"}, timeout_s=120))[1]
    ]
    project.api.delete("Job", project.namespace, "gone")
    project.gone("Pod", pod[0]["metadata"]["name"])


def test_a_deployment_is_available_when_its_readiness_probe_succeeds(project: Objects) -> None:
    _deployment(project, "web", http_server(8000))
    found = project.until("Deployment", "web", lambda found: _condition(found, "Available"))
    assert found["status"]["readyReplicas"] == 1
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]


def test_a_probe_that_answers_404_does_not_make_a_container_ready(project: Objects) -> None:
    container = http_server(8000) | {"readinessProbe": {"httpGet": {"port": 8000, "path": "/"}, "periodSeconds": 1}}
    container["command"][-1] = container["command"][-1].replace("send_response(200)", "send_response(404)")
    name = project.pod(container)
    event = next(
        found
        for _, found in project.api.watch("Pod", project.namespace, name=name, timeout_s=120)
        if found["status"].get("phase") == "Running"
    )
    assert not is_ready(event)
    later = [pod for _, pod in project.api.watch("Pod", project.namespace, name=name, timeout_s=1.5)]
    assert not any(map(is_ready, later))


def test_a_container_of_a_deployment_is_started_again(project: Objects) -> None:
    _deployment(project, "falling", shell("echo once more; exit 1"))
    _, pod = next(project.api.watch("Pod", project.namespace, labels={"app": "falling"}, timeout_s=120))
    name = pod["metadata"]["name"]

    def restarted(found: Manifest) -> bool:
        return any(entry["restartCount"] >= 2 for entry in found["status"].get("containerStatuses") or ())

    # 10 s and 20 s of patience on Kubernetes
    found = project.until("Pod", name, restarted, deadline_s=90)
    assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1
    assert found["status"]["phase"] == "Running"


def test_a_changed_template_replaces_the_pod(project: Objects) -> None:
    deployment = _deployment(project, "web", http_server(8000, "old"), grace_s=0)
    project.until("Deployment", "web", lambda found: _condition(found, "Available"))
    first = project.api.list("Pod", project.namespace, labels={"app": "web"})[0]["metadata"]["name"]
    spec = deployment["spec"]
    spec["template"]["spec"]["containers"] = [http_server(8000, "new")]
    project.api.patch("Deployment", project.namespace, "web", {"spec": spec})
    project.gone("Pod", first)
    project.until("Deployment", "web", lambda found: found["status"].get("readyReplicas") == 1)
    names = [pod["metadata"]["name"] for pod in project.api.list("Pod", project.namespace, labels={"app": "web"})]
    assert len(names) == 1
    assert names != [first]


def test_a_deleted_namespace_takes_all_that_is_in_it(cluster: Cluster) -> None:
    api = cluster.api
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "project-short"}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    api.apply({**account, "metadata": {"name": "default", "namespace": "project-short"}})
    project = Objects(api, "project-short")
    project.create("ConfigMap", "words", data={"a": "b"})
    name = project.pod(shell("sleep 60"), terminationGracePeriodSeconds=1)
    project.until("Pod", name, lambda pod: pod["status"].get("phase") == "Running")
    api.delete("Namespace", None, "project-short")
    with pytest.raises((Forbidden, NotFound)):
        project.create("ConfigMap", "more", data={})
    Objects(api, "").gone("Namespace", "project-short")
    for kind in ("Pod", "ConfigMap"):
        assert api.list(kind, "project-short") == []
    with pytest.raises(NotFound):
        api.get("Namespace", None, "project-short")


def test_a_deleted_claim_loses_its_files_when_no_pod_uses_it_any_more(project: Objects) -> None:
    project.claim("data")
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    mounts = [{"name": "data", "mountPath": "/data"}]
    script = "echo kept > /data/file; exec sleep 60"
    name = project.pod(shell(script, volumeMounts=mounts), volumes=volumes)
    project.until("Pod", name, lambda pod: pod["status"].get("phase") == "Running")
    project.api.delete("PersistentVolumeClaim", project.namespace, "data")
    assert project.api.get("PersistentVolumeClaim", project.namespace, "data")["metadata"]["deletionTimestamp"]
    project.api.delete("Pod", project.namespace, name, grace_period_s=0)
    project.gone("PersistentVolumeClaim", "data")
    project.claim("data")
    assert project.output(shell("ls /data", volumeMounts=mounts), volumes=volumes) == ""


def test_claims_of_two_namespaces_share_a_folder_of_the_node(project: Objects, platform: Objects) -> None:
    volumes = [{"name": "dags", "persistentVolumeClaim": {"claimName": "dags-pv-claim"}}]
    mounts = [{"name": "dags", "mountPath": "/dags"}]
    for objects in (project, platform):
        name = f"{objects.namespace}-dags-pv"
        spec: dict[str, Any] = {"storageClassName": "kaapana-hostpath", "accessModes": ["ReadWriteMany"]}
        objects.api.create(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": name},
                "spec": {
                    **spec,
                    "capacity": {"storage": "1Gi"},
                    "hostPath": {"path": f"/home/kaapana/{project.namespace}/dags"},
                },
            }
        )
        claim = {**spec, "volumeName": name, "resources": {"requests": {"storage": "1Gi"}}}
        objects.create("PersistentVolumeClaim", "dags-pv-claim", spec=claim)
    project.output(shell("echo here > /dags/file", volumeMounts=mounts), volumes=volumes)
    assert platform.output(shell("cat /dags/file", volumeMounts=mounts), volumes=volumes) == "here"


def test_a_claim_of_an_unknown_class_keeps_its_pod_waiting_and_says_so(cluster: Cluster, project: Objects) -> None:
    only_on_docker(cluster, "Kubernetes says it in an event of the claim, and has no provisioner of this name")
    spec = {"storageClassName": "no-such-class", "resources": {"requests": {"storage": "1Gi"}}}
    project.create("PersistentVolumeClaim", "data", spec=spec)
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    name = project.pod(shell("true"), volumes=volumes)

    def names_its_class(pod: Manifest) -> bool:
        return "no-such-class" in str(pod["status"].get("containerStatuses"))

    assert project.until("Pod", name, names_its_class)["status"]["phase"] == "Pending"
    project.api.create(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "no-such-class"},
            "provisioner": "microk8s.io/hostpath",
        }
    )
    assert project.end(name)["status"]["phase"] == "Succeeded"
    project.api.delete("StorageClass", None, "no-such-class")


def test_a_job_needs_a_restart_policy(project: Objects) -> None:
    template = {"spec": {"containers": [shell("true")]}}
    with pytest.raises(Invalid, match=r"spec\.template\.spec\.restartPolicy"):
        project.create("Job", "x", "batch/v1", spec={"template": template})
