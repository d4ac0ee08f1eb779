"""A cluster of two nodes of the image, by kind alone: storage, names, ways between nodes, and policies.

Takes a minute and the image of the nodes, hence only with ``--kaapana-cluster kind``.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import engine
from harness.cluster.kind import command, node_image
from harness.settings import Settings

_CONFIG = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes: [{role: control-plane}, {role: worker}]
"""
_OBJECTS = """\
apiVersion: v1
kind: Namespace
metadata: {name: project}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: project}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: names, namespace: project}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: project}
spec:
  podSelector: {matchLabels: {may: reach-web}}
  policyTypes: [Egress]
  egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}], ports: [{port: 8080}]}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  nodeSelector: {kubernetes.io/hostname: NAME-worker}
  volumes: [{name: data, persistentVolumeClaim: {claimName: claim}}]
  containers:
    - name: web
      image: IMAGE
      command: [sh, -c, "echo hello > /data/index.html; exec httpd -f -p 8080 -h /data"]
      volumeMounts: [{name: data, mountPath: /data}]
      readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
"""
_REACH_WEB = """\
address=$(nslookup web.default.svc.cluster.local | sed -n 's/^Address: //p' | tail -n 1)
printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 "$address" 80 2>&1 | tail -n 1
"""


class Nodes:
    """The cluster, asked by the kubectl of its first node."""

    def __init__(self, name: str) -> None:
        self.name = name
        # the image with a shell that every node of ours has
        listed = self._in_node("ctr", "-n", "k8s.io", "images", "ls", "-q").splitlines()
        (self.image,) = [line for line in listed if "/local-path-helper:" in line]

    def kubectl(self, *arguments: str, text: str = "") -> str:
        return self._in_node("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", *arguments, text=text)

    def output(self, name: str, node: str, labels: str, script: str) -> str:
        """What a pod of the project on a node prints, once it has ended."""
        overrides = f'{{"spec": {{"nodeName": "{self.name}-{node}"}}}}'
        run = ["-n", "project", "run", name, f"--image={self.image}", "--restart=Never", f"--labels={labels}"]
        self.kubectl(*run, f"--overrides={overrides}", "--command", "--", "sh", "-c", script)
        ended = "--for=jsonpath={.status.phase}=Succeeded"
        self.kubectl("-n", "project", "wait", ended, f"pod/{name}", "--timeout=90s")
        return self.kubectl("-n", "project", "logs", name).strip()

    def _in_node(self, *arguments: str, text: str = "") -> str:
        words = ["docker", "exec", "-i", f"{self.name}-control-plane", *arguments]
        done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    settings = Settings.load({"cluster": request.config.getoption("--kaapana-cluster")})
    if settings.cluster != "kind":
        pytest.skip("only with --kaapana-cluster kind")
    image = node_image.ensure(settings)
    kind = command.ensure(settings)
    name = f"khnodes-{secrets.token_hex(3)}"
    folder: Path = tmp_path_factory.mktemp("kind")
    config = folder / "kind.yaml"
    config.write_text(_CONFIG)
    environ = {
        **os.environ,
        **command.make_environment(settings.state),
        "KUBECONFIG": str(folder / "kubeconfig"),
        "KIND_EXPERIMENTAL_DOCKER_NETWORK": name,
    }

    def call(*arguments: str) -> None:
        subprocess.run([kind, *arguments, "--name", name], env=environ, check=True, timeout=600)

    try:
        call("create", "cluster", "--image", image, "--config", str(config), "--wait", "180s")
        made = Nodes(name)
        made.kubectl("apply", "-f", "-", text=_OBJECTS.replace("NAME", name).replace("IMAGE", made.image))
        made.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=120s")
        yield made
    finally:
        call("delete", "cluster")
        with engine.connect_api() as api:
            api.remove_network(name)


@pytest.mark.parametrize("node", ["control-plane", "worker"])
def test_a_pod_that_may_reaches_a_service_by_its_name_from_every_node(nodes: Nodes, node: str) -> None:
    assert nodes.output(f"may-{node}", node, "may=reach-web", _REACH_WEB) == "hello"


@pytest.mark.parametrize("node", ["control-plane", "worker"])
def test_a_pod_that_may_not_is_refused_by_its_first_packet(nodes: Nodes, node: str) -> None:
    address = nodes.kubectl("get", "pod", "web", "-o", "jsonpath={.status.podIP}")
    # an address that is reserved for documentation, the pod itself, the node's API server
    host = nodes.kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}")
    script = (
        f"nc -w 5 198.51.100.1 80 </dev/null; nc -w 5 {address} 8080 </dev/null; nc -w 5 {host} 6443 </dev/null; true"
    )
    said = nodes.output(f"not-{node}", node, "may=nothing", f"({script}) 2>&1").splitlines()
    assert [line.rpartition(": ")[2] for line in said] == ["No route to host"] * 3
