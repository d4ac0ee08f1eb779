"""The image of a node: its inputs, its sources, and the steps that are repeated."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cluster.kind.node_image import build, programs, system
from harness.errors import ImageError
from harness.settings import Settings

KUBERNETES_IMAGES = """\
registry.k8s.io/kube-apiserver:v1.34.4
registry.k8s.io/kube-controller-manager:v1.34.4
registry.k8s.io/kube-scheduler:v1.34.4
registry.k8s.io/kube-proxy:v1.34.4
registry.k8s.io/coredns/coredns:v1.12.1
registry.k8s.io/pause:3.10.1
registry.k8s.io/etcd:3.6.5-0
"""
KIND_IMAGES = "docker.io/kindest/local-path-provisioner:v1\ndocker.io/kindest/local-path-helper:v2\n"


class Bench:
    """An engine without an engine: which images there are, and what was done to make more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.images: set[str] = set()
        self.done: list[str] = []
        self.fails_at = ""
        self.pulls = ""
        self.loaded: dict[str, list[str]] = {}
        monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path))
        monkeypatch.delenv(build.VARIABLE.name, raising=False)
        monkeypatch.setattr(build, "ensure_base", lambda name, **_: f"kaapana-harness/{name}:base")
        for module in (build, programs, system):
            monkeypatch.setattr(module.engine, "connect_api", lambda *_, **__: self)
            monkeypatch.setattr(module.engine, "find_image", lambda _, tag: tag if tag in self.images else None)
        monkeypatch.setattr(build, "pull", self._pull)
        monkeypatch.setattr(build, "preload", self._preload)
        monkeypatch.setattr(programs, "_compile", lambda program, tag, *_: self._make(program.name, tag))
        monkeypatch.setattr(programs, "read_file", self._read)
        monkeypatch.setattr(build.system, "build_system", lambda tag, *_: self._make("system", tag))
        monkeypatch.setattr(build.system, "build_part", lambda part, tag, *_: self._make(f"part {part.name}", tag))

    def ensure(self) -> str:
        return build.ensure(Settings())

    def close(self) -> None:
        pass

    def tag(self, source: str, repository: str, version: str) -> None:
        self.images.add(f"{repository}:{version}")

    def remove_image(self, tag: str, **_: object) -> None:
        self.images.remove(tag)

    def _make(self, name: str, tag: str) -> None:
        if self.fails_at == name:
            raise KeyboardInterrupt
        self.done.append(name)
        self.images.add(tag)

    def _pull(self, reference: str, on_line: Any) -> str:
        self.done.append(f"pull {reference}")
        return self.pulls

    def _preload(self, base: str, images: dict[str, list[str]], tag: str, *_: Any) -> None:
        assert base in self.images
        assert self.images >= set(images)
        self.loaded = images
        self._make("preload", tag)

    def _read(self, tag: str, name: str, api: Any) -> bytes:
        return (KUBERNETES_IMAGES if "kubernetes" in tag else KIND_IMAGES).encode()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    return Bench(monkeypatch, tmp_path)


def test_the_public_image_is_pulled_by_its_digest_where_it_can_be(bench: Bench) -> None:
    tag = bench.ensure()
    assert bench.done == [f"pull {build.PUBLIC_IMAGE}"]
    assert "@sha256:" in build.PUBLIC_IMAGE
    assert tag.startswith("kaapana-harness/kind-node:")
    assert bench.ensure() == tag
    assert len(bench.done) == 1


def test_it_is_built_from_packages_where_nothing_can_be_pulled(bench: Bench) -> None:
    bench.pulls = "no route"
    tag = bench.ensure()
    assert bench.done[0].startswith("pull ")
    assert bench.done[-1] == "preload"
    assert tag == build.make_tag("kaapana-harness/rootfs:base")
    # the parts are in the node; what is expensive to make stays
    left = {name.partition(":")[0] for name in bench.images}
    programs_left = {program.repository for program in programs.OF_THE_NODE}
    assert left == {"kaapana-harness/kind-node", "kaapana-harness/kind-system", *programs_left}
    steps = len(bench.done)
    assert bench.ensure() == tag
    assert len(bench.done) == steps


def test_an_empty_reference_means_that_nothing_is_pulled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(build.VARIABLE.name, "")
    bench.ensure()
    assert not [step for step in bench.done if step.startswith("pull")]
    assert bench.done[-1] == "preload"


def test_the_reference_of_the_site_is_pulled_and_distinguished_from_the_public_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = bench.ensure()
    monkeypatch.setenv(build.VARIABLE.name, "registry.example/node:1")
    assert bench.ensure() != public
    assert bench.done[-1] == "pull registry.example/node:1"


@pytest.mark.parametrize("step", ["kubernetes", "system", "part coredns", "preload"])
def test_an_interrupted_build_resumes_at_the_same_step(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setenv(build.VARIABLE.name, "")
    bench.fails_at = step
    with pytest.raises(KeyboardInterrupt):
        bench.ensure()
    before = list(bench.done)
    bench.fails_at = ""
    bench.ensure()
    assert bench.done[len(before)] == step
    assert len(bench.done) == len(set(bench.done))


def test_every_image_that_a_node_asks_for_is_in_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(build.VARIABLE.name, "")
    bench.ensure()
    loaded = {name for references in bench.loaded.values() for name in references}
    kubeadm = {name for name in KUBERNETES_IMAGES.split() if "/pause" not in name}
    assert loaded == {*kubeadm, *KIND_IMAGES.split(), system.PAUSE_IMAGE, system.NETWORK_IMAGE}


def test_a_list_without_an_image_of_the_node_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(build.VARIABLE.name, "")
    without = KUBERNETES_IMAGES.replace("coredns/coredns", "other")
    monkeypatch.setattr(
        programs, "read_file", lambda tag, *_: (without if "kubernetes" in tag else KIND_IMAGES).encode()
    )
    with pytest.raises(ImageError, match="coredns"):
        bench.ensure()


def test_a_node_says_which_version_of_kubernetes_it_has(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "read_file", lambda tag, name, api: {"/kind/version": b"v1.35.4"}[name])
    assert build.read_version(bench, "node:1") == (1, 35)  # type: ignore[arg-type]
    monkeypatch.setattr(programs, "read_file", lambda tag, name, api: b"latest")
    with pytest.raises(ImageError, match=r"^node:1 is not an image of a kind node\n.*/kind/version: latest"):
        build.read_version(bench, "node:1")  # type: ignore[arg-type]


@pytest.mark.parametrize("program", programs.OF_THE_NODE, ids=lambda program: program.name)
def test_a_program_is_compiled_again_for_another_version_and_for_nothing_else(program: programs.Program) -> None:
    assert programs.make_tag(program) == programs.make_tag(dataclasses.replace(program, minutes=99))
    assert programs.make_tag(program) != programs.make_tag(dataclasses.replace(program, version="v0"))
    assert {"Dockerfile", "build.bash", "source/build.sh"} <= set(programs.make_context(program).entries)


def test_kind_is_compiled_for_the_host_and_the_rest_for_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {program: programs.make_tag(program) for program in programs.OF_THE_NODE}
    monkeypatch.setattr(programs.platform, "machine", lambda: "riscv64")
    changed = [program for program, tag in before.items() if programs.make_tag(program) != tag]
    assert changed == [programs.KIND]


def test_every_file_that_a_build_copies_is_sent_with_it() -> None:
    contexts = [system.make_system_context(), *(system.make_part_context(part) for part in system.PARTS)]
    contexts += [programs.make_context(program) for program in programs.OF_THE_NODE]
    for context in contexts:
        for line in context.entries["Dockerfile"].read().decode().splitlines():
            if line.startswith("COPY ") and "--from" not in line:
                source = line.split()[1]
                assert any(name == source or name.startswith(source) for name in context.entries), line


def test_the_network_is_a_manifest_that_kind_fills_in_and_applies() -> None:
    text = (programs.FILES / "node" / "network.yaml").read_text("utf-8")
    # the sentences by which kind knows that it has to
    assert "would you kindly template this file" in text
    assert "would you kindly patch this file" in text
    objects = [item for item in yaml.safe_load_all(text.replace("{{ .PodSubnet }}", "10.244.0.0/16")) if item]
    (daemon,) = [item for item in objects if item["kind"] == "DaemonSet"]
    (container,) = daemon["spec"]["template"]["spec"]["containers"]
    assert container["image"] == system.NETWORK_IMAGE
    assert {entry["name"] for entry in container["env"]} == {"NODE_NAME", "POD_SUBNET"}


def test_the_storage_manifest_is_taken_from_the_source_of_kind(tmp_path: Path) -> None:
    source = tmp_path / "const_storage.go"
    source.write_text(
        'package nodeimage\n\nconst storageProvisionerImage = "example/provisioner:1"\n'
        'const storageHelperImage = "example/helper:2"\n\n'
        "const defaultStorageManifest = `\nkind: A\nimage: ` + storageProvisionerImage + `\nhelper: ` + "
        "storageHelperImage + `\nlast: line\n`\n"
    )
    manifest, images = tmp_path / "storage.yaml", tmp_path / "images"
    script = programs.FILES / "kind" / "storage.py"
    subprocess.run([sys.executable, script, source, manifest, images], check=True)
    assert yaml.safe_load(manifest.read_text()) == {
        "kind": "A", "image": "example/provisioner:1", "helper": "example/helper:2", "last": "line",
    }  # fmt: skip
    assert images.read_text() == "example/provisioner:1\nexample/helper:2\n"


def test_a_storage_manifest_that_is_put_together_in_a_new_way_fails_the_build(tmp_path: Path) -> None:
    source = tmp_path / "const_storage.go"
    source.write_text('const storageHelperImage = "x"\nconst defaultStorageManifest = `\na: ` + f() + `\n`\n')
    script = programs.FILES / "kind" / "storage.py"
    done = subprocess.run(
        [sys.executable, script, source, tmp_path / "a", tmp_path / "b"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "new way" in done.stderr
