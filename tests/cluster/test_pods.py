"""Pods: what they get, how they end, what is reported of them."""

from __future__ import annotations

import base64
import time

import pytest

from harness.cluster import Cluster
from harness.kube import ApiError, Manifest
from tests.cluster.objects import IMAGE, Objects, only_on_docker, python, shell, terminated


def test_a_pod_runs_and_its_end_is_seen_without_polling(project: Objects) -> None:
    name = project.pod(shell("echo hello; echo trouble >&2"))
    ended = project.end(name)
    assert ended["status"]["phase"] == "Succeeded"
    assert terminated(ended)["exitCode"] == 0
    assert terminated(ended)["reason"] == "Completed"
    assert terminated(ended)["startedAt"] <= terminated(ended)["finishedAt"]
    assert sorted(project.log(name).splitlines()) == ["hello", "trouble"]


@pytest.mark.parametrize("code", [1, 126, 255])
def test_the_exit_code_of_a_container_is_kept(project: Objects, code: int) -> None:
    ended = project.end(project.pod(shell(f"exit {code}")))
    assert ended["status"]["phase"] == "Failed"
    assert (terminated(ended)["exitCode"], terminated(ended)["reason"]) == (code, "Error")


def assert_out_of_memory(cluster: Cluster, pod: Manifest) -> None:
    # on a busy node containerd itself loses the reason; the exit code stays
    reasons = {"OOMKilled"} if cluster.name == "docker" else {"OOMKilled", "Error"}
    state = terminated(pod)
    assert state["exitCode"] == 137
    assert state["reason"] in reasons


def test_a_container_over_its_memory_limit_is_killed_as_on_kubernetes(cluster: Cluster, project: Objects) -> None:
    ended = project.end(project.pod(python("x = bytearray(300 << 20)", resources={"limits": {"memory": "60.5Mi"}})))
    assert_out_of_memory(cluster, ended)


def test_the_default_limit_of_the_namespace_holds_for_a_container_without_one(
    cluster: Cluster, project: Objects
) -> None:
    limit = {"type": "Container", "default": {"memory": "50Mi"}, "defaultRequest": {"memory": "50Mi"}}
    project.create("LimitRange", "default-resource-limits", spec={"limits": [limit]})
    ended = project.end(project.pod(python("x = bytearray(300 << 20)")))
    assert_out_of_memory(cluster, ended)
    assert ended["spec"]["containers"][0]["resources"]["limits"] == {"memory": "50Mi"}


def test_the_memory_that_was_needed_is_noted(cluster: Cluster, project: Objects) -> None:
    only_on_docker(cluster, "Kubernetes keeps no maximum")
    ended = project.end(project.pod(python("x = bytearray(b'1') * (80 << 20); import time; time.sleep(1)")))
    assert 80 << 20 <= int(ended["metadata"]["annotations"]["kaapana-harness/max-memory-bytes"]) < 200 << 20


def test_a_fork_bomb_meets_the_limit_of_processes(project: Objects) -> None:
    script = (
        "import threading, time\n"
        "try:\n"
        " for n in range(9000): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "except RuntimeError: print('limited', n)"
    )
    word, number = project.output(python(script)).split()
    assert word == "limited"
    assert 4000 < int(number) < 4096


def test_later_variables_win_and_null_is_an_empty_value(project: Objects) -> None:
    project.create("Secret", "credentials", stringData={"password": "geheim", "WORD": "from secret"})
    project.create("ConfigMap", "words", data={"WORD": "from config", "OTHER": "other"})
    variables = [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "password"}}},
        {"name": "TWICE", "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "password"}}},
        {"name": "TWICE", "value": "plain wins"},
        {"name": "EMPTY", "value": None},
        {"name": "JOINED", "value": "<$(PASSWORD)> $$(PASSWORD) $(UNKNOWN)"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    sources = [{"configMapRef": {"name": "words"}}, {"secretRef": {"name": "credentials"}}]
    name = project.pod(shell("env", env=variables, envFrom=sources))
    project.end(name)
    lines = project.log(name).splitlines()
    expected = {"PASSWORD=geheim", "TWICE=plain wins", "EMPTY=", "WORD=from secret", "OTHER=other", f"POD={name}"}
    assert expected <= set(lines)
    assert "JOINED=<geheim> $(PASSWORD) $(UNKNOWN)" in lines
    assert f"HOSTNAME={name}" in lines


def test_a_pod_knows_its_own_address(project: Objects) -> None:
    variable = {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    name = project.pod(shell("echo $ADDRESS; hostname -i", env=[variable]))
    ended = project.end(name)
    injected, real = project.log(name).splitlines()
    assert injected == ended["status"]["podIP"]
    assert injected in real.split()


def test_a_missing_secret_is_named_and_waited_for(project: Objects) -> None:
    variable = {"name": "P", "valueFrom": {"secretKeyRef": {"name": "late", "key": "word"}}}
    name = project.pod(shell("echo got $P", env=[variable]))
    assert project.waiting(name, "CreateContainerConfigError") == 'secret "late" not found'
    project.create("Secret", "late", stringData={"word": "it"})
    project.end(name)
    assert project.log(name) == "got it"


def test_a_claim_is_shared_by_pods_and_subpaths_are_folders_in_it(project: Objects) -> None:
    project.claim("data")
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    mount = {"name": "data", "mountPath": "/data"}
    project.output(shell("mkdir -p /data/a && echo one > /data/a/file", volumeMounts=[mount]), volumes=volumes)
    sub = {"name": "data", "mountPath": "/sub", "subPath": "a"}
    as_user = {"runAsUser": 1234}
    script = "cat /sub/file; id -u; echo two > /data/other"
    assert project.output(
        shell(script, volumeMounts=[mount, sub], securityContext=as_user), volumes=volumes
    ).split() == ["one", "1234"]


def test_a_folder_of_a_claim_is_mounted_behind_a_link_of_the_image(project: Objects) -> None:
    project.claim("linked")
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "linked"}}]
    container = python(
        "from pathlib import Path; assert Path('/var/run').is_symlink()\n"
        "Path('/var/run/mine/a').write_text('here'); print(Path('/run/mine/a').read_text())"
    ) | {"volumeMounts": [{"name": "data", "mountPath": "/var/run/mine", "subPath": "a"}]}
    assert project.output(container, volumes=volumes) == "here"


def test_a_configuration_file_lies_read_only_inside_a_claim(project: Objects) -> None:
    project.claim("data")
    project.create("ConfigMap", "run-config", data={"conf.json": '{"a": 1}'})
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "conf", "configMap": {"name": "run-config"}},
    ]
    mounts = [
        {"name": "conf", "mountPath": "/data/run/conf/conf.json", "subPath": "conf.json", "readOnly": True},
        {"name": "data", "mountPath": "/data"},
    ]
    script = "cat /data/run/conf/conf.json; echo; echo x > /data/run/conf/conf.json || echo refused"
    name = project.pod(shell(script, volumeMounts=mounts), volumes=volumes)
    project.end(name)
    lines = project.log(name).splitlines()
    assert '{"a": 1}' in lines
    assert "refused" in lines


def test_a_changed_secret_changes_the_files_of_the_pods_that_run(cluster: Cluster, project: Objects) -> None:
    project.create("Secret", "moving", stringData={"kept": "1"})
    volume = {"name": "files", "secret": {"secretName": "moving"}}
    script = 'until [ "$(cat /files/kept)" = 2 ] && [ -e /files/more ]; do sleep 0.1; done; ls /files'
    container = shell(script, volumeMounts=[{"name": "files", "mountPath": "/files"}])
    name = project.pod(container, volumes=[volume])
    project.until("Pod", name, lambda found: found["status"].get("phase") == "Running")
    value = {"kept": base64.b64encode(b"2").decode(), "more": ""}
    project.api.patch("Secret", project.namespace, "moving", {"data": value})
    # a kubelet looks again when its pod changes, and by itself about once a minute
    project.api.patch("Pod", project.namespace, name, {"metadata": {"annotations": {"look": "again"}}})
    assert terminated(project.end(name))["exitCode"] == 0
    assert project.log(name).split() == ["kept", "more"]


def test_shared_memory_is_as_large_as_the_memory_limit(project: Objects) -> None:
    volumes = [{"name": "dshm", "emptyDir": {"medium": "Memory"}}]
    container = shell(
        "df -B1 /dev/shm | tail -1",
        volumeMounts=[{"name": "dshm", "mountPath": "/dev/shm"}],
        resources={"limits": {"memory": "300Mi"}},
    )
    assert int(project.output(container, volumes=volumes).split()[1]) == 300 << 20


def test_init_containers_run_one_after_the_other_and_first(project: Objects) -> None:
    volumes = [{"name": "shared", "emptyDir": {}}]
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    first = {**shell("sleep 0.3; echo first >> /shared/order", volumeMounts=mounts), "name": "first"}
    second = {**shell("echo second >> /shared/order", volumeMounts=mounts), "name": "second"}
    main = shell("cat /shared/order", volumeMounts=mounts)
    assert project.output(main, volumes=volumes, initContainers=[first, second]).split() == ["first", "second"]


def test_a_failed_init_container_fails_the_pod(project: Objects) -> None:
    name = project.pod(shell("echo never"), initContainers=[{**shell("exit 3"), "name": "first"}])
    ended = project.end(name)
    assert ended["status"]["phase"] == "Failed"
    assert ended["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    assert ended["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


def test_containers_of_a_pod_reach_each_other_on_localhost(project: Objects) -> None:
    server = python("import socket; s = socket.create_server(('127.0.0.1', 7000)); s.accept()[0].sendall(b'hi')")
    client = python(
        "import socket, time\n"
        "for _ in range(100):\n"
        " try: print(socket.create_connection(('127.0.0.1', 7000)).recv(9).decode()); break\n"
        " except ConnectionRefusedError: time.sleep(0.05)"
    )
    name = project.pod({**server, "name": "server"}, {**client, "name": "client"})
    assert project.end(name)["status"]["phase"] == "Succeeded"
    assert project.log(name, "client") == "hi"


def test_a_program_that_does_not_exist_is_named(project: Objects) -> None:
    ended = project.end(project.pod({"name": "main", "image": IMAGE, "command": ["/no/such/program"]}))
    assert terminated(ended)["reason"] == "StartError"
    assert "/no/such/program" in terminated(ended)["message"]


def test_the_output_is_followed_line_by_line_while_the_container_runs(project: Objects) -> None:
    name = project.pod(shell("echo first; sleep 30; echo never"))
    project.until("Pod", name, lambda pod: pod["status"].get("phase") == "Running")
    lines = project.api.logs(project.namespace, name, follow=True)
    assert next(lines) == "first"
    project.api.delete("Pod", project.namespace, name, grace_period_s=0)
    assert list(lines) == []


def test_the_last_lines_of_a_container_that_wrote_into_its_image_are_those_of_its_output(project: Objects) -> None:
    script = "head -c 100000 /dev/urandom > /opt/lost; for n in $(seq 600); do echo $n; done; printf 'no line feed'"
    name = project.pod(shell(script))
    project.end(name)
    output = [*map(str, range(1, 601)), "no line feed"]
    for count in (1, 3, 500, 501, 700):
        assert list(project.api.logs(project.namespace, name, tail=count)) == output[-count:]
    assert project.log(name).splitlines() == output


def test_deletion_kills_a_container_that_ignores_sigterm(project: Objects) -> None:
    name = project.pod(shell("trap '' TERM; echo on; while true; do sleep 0.2; done"))
    project.until("Pod", name, lambda pod: pod["status"].get("phase") == "Running")
    next(project.api.logs(project.namespace, name, follow=True))
    before = time.monotonic()
    project.api.delete("Pod", project.namespace, name, grace_period_s=1)
    project.gone("Pod", name)
    # without a period of its own it would be half a minute
    assert 0.9 < time.monotonic() - before < 30
    with pytest.raises(ApiError):
        project.api.get("Pod", project.namespace, name)


def test_a_pod_that_takes_too_long_is_ended(project: Objects) -> None:
    ended = project.end(project.pod(shell("sleep 60"), activeDeadlineSeconds=1, terminationGracePeriodSeconds=1))
    assert (ended["status"]["phase"], ended["status"]["reason"]) == ("Failed", "DeadlineExceeded")


def test_twenty_pods_at_once_all_end(project: Objects) -> None:
    names = [project.pod(shell(f"echo {number}")) for number in range(20)]
    assert {project.end(name)["status"]["phase"] for name in names} == {"Succeeded"}
    assert [project.log(name) for name in names] == [str(number) for number in range(20)]


def test_a_pod_that_no_node_can_take_stays_pending_and_says_why(cluster: Cluster, project: Objects) -> None:
    name = project.pod(shell("true"), nodeSelector={"disk": "fast"})
    found = project.until("Pod", name, lambda pod: pod["status"].get("conditions"))
    condition = next(entry for entry in found["status"]["conditions"] if entry["type"] == "PodScheduled")
    assert condition["status"] == "False"
    assert ("disk=fast" if cluster.name == "docker" else "node affinity/selector") in condition["message"]


def test_node_images_are_listed(cluster: Cluster) -> None:
    assert IMAGE in cluster.node_images()
