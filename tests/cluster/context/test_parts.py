"""Parts of clusters that exist already, which need none."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from click.testing import CliRunner

from harness.cli.verbs import cli
from harness.cluster import ledger, open_cluster
from harness.cluster.context import access, cluster, images, leftovers, rights
from harness.errors import NotRemovedError, UsageError
from harness.images.derivation import DerivedImage
from harness.platform import ownership
from harness.settings import Settings


def kubeconfig(path: Path, *contexts: str, server: str = "http://127.0.0.1:9") -> Path:
    document = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in contexts],
        "current-context": "mine",
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_context_that_does_not_exist_is_wrong_use_and_those_that_do_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "config", "mine", "lab")))
    with pytest.raises(UsageError, match="context 'labb' cannot be used") as caught:
        open_cluster("context:labb", Settings(), environment_id="x")
    assert caught.value.exit_status == 2
    assert "it has: mine, lab" in caught.value.last_seen


def test_without_a_kubeconfig_the_error_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="no kubeconfig") as caught:
        access.find("lab")
    assert str(tmp_path / "none") in caught.value.last_seen


def test_a_context_is_found_in_any_of_the_files_of_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = kubeconfig(tmp_path / "1", "mine"), kubeconfig(tmp_path / "2", "lab")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'none'}:{second}")
    assert access.find("lab")[1] == second


def test_a_cluster_that_does_not_answer_is_the_environments_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "config", "lab", server="http://127.0.0.1:1")))
    result = CliRunner().invoke(cli, ["context", "check", "lab"], standalone_mode=False)
    assert "the cluster of context 'lab' does not answer" in str(result.exception)
    assert getattr(result.exception, "exit_status", None) == 3


def test_a_role_that_gives_all_lacks_nothing_and_one_without_a_verb_lacks_that() -> None:
    rules = [rule.as_json() for rule in rights.IN_NAMESPACE]
    assert rights.find_lacking(rules) == []
    assert rights.find_lacking([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]) == []
    for rule in rules:
        if "pods/portforward" in rule["resources"]:
            rule["verbs"].remove("get")
    assert [str(right) for right in rights.find_lacking(rules)] == ["get pods/portforward", "get pods/exec"]


def test_the_printed_rights_are_those_that_are_checked_and_stay_within_the_prefix() -> None:
    printed = CliRunner().invoke(cli, ["context", "rights", "--group", "it's"]).output
    objects = {(found["kind"], found["metadata"]["name"]): found for found in yaml.safe_load_all(printed)}
    role = objects["ClusterRole", rights.NAMESPACE_ROLE]
    assert rights.find_lacking(role["rules"]) == []
    # nothing in all namespaces but what the policy confines, and nothing of the whole cluster that can be written
    for rule in objects["ClusterRole", rights.CLUSTER_ROLE]["rules"]:
        writes = set(rule["verbs"]) - {"get", "list", "watch"}
        assert not writes or set(rule["resources"]) <= {"namespaces", "rolebindings"} or rule.get("resourceNames")
    policy = objects["ValidatingAdmissionPolicy", rights.CLUSTER_ROLE]["spec"]
    assert policy["matchConditions"][0]["expression"] == "'it\\'s' in request.userInfo.groups"
    assert ("ServiceAccount", "kaapana-harness") not in objects


def test_an_environment_whose_context_has_gone_stays_in_the_ledger_and_says_how_to_remove_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    settings = Settings()
    path = kubeconfig(tmp_path / "config", "other")
    entry = ledger.new_entry("x", "context:lab", kubeconfig=str(path))
    ledger.record(settings.state, entry)
    monkeypatch.setattr(ledger, "is_alive", lambda _: False)
    assert ownership.tidy(settings.state) == []
    assert ledger.find(settings.state, "x") == entry
    assert f"bring the context 'lab' back into {path}" in caplog.text
    with pytest.raises(NotRemovedError):
        leftovers.remove_entry(entry)


def test_an_environment_that_is_interrupted_while_it_is_made_is_removed_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "config", "lab")))
    settings = Settings.load({"context_registry": "localhost:5000"})
    seen: list[tuple[str, list[str]]] = []
    closed: list[bool] = []

    def note(what: str) -> None:
        seen.append((what, [entry.id for entry in ledger.read_entries(settings.state)]))

    def interrupt(*_: object, **__: object) -> None:
        note("made")
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster.preflight, "require", lambda *_, **__: None)
    monkeypatch.setattr(cluster, "connect", lambda: SimpleNamespace(close=lambda: closed.append(True)))
    monkeypatch.setattr(cluster.KubeApi, "apply", interrupt)
    monkeypatch.setattr(leftovers, "remove", lambda _, environment_id: note(f"removed {environment_id}"))
    with pytest.raises(KeyboardInterrupt):
        cluster.ContextCluster.create(settings, "x", "context:lab")
    assert seen == [("made", ["x"]), ("removed x", ["x"])]
    assert ledger.read_entries(settings.state) == []
    assert closed


def test_the_ledger_remembers_the_file_that_has_the_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path))
    ledger.record(Settings().state, ledger.new_entry("x", "context:lab", kubeconfig="/home/me/config"))
    entry = ledger.find(Settings().state, "x")
    assert entry is not None
    assert entry.kubeconfig == "/home/me/config"


@pytest.mark.parametrize("name", ["registry.site:5000/team", "localhost:5000", "ghcr.io/site/kaapana"])
def test_registries_are_read_as_they_stand_in_references(name: str) -> None:
    assert Settings.load({"context_registry": name}).context_registry == name


@pytest.mark.parametrize("name", ["https://registry.site", "team", "registry.site/", "registry.site/Team"])
def test_an_invalid_registry_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="expected a registry"):
        Settings.load({"context_registry": name})


def test_images_of_served_names_are_found_below_the_prefix_of_their_host(monkeypatch: pytest.MonkeyPatch) -> None:
    class Registry:
        def __init__(self, address: str) -> None:
            assert address == "r.site/team/kh-1"

        def __enter__(self) -> Registry:
            return self

        def __exit__(self, *_: object) -> None: ...

        def digest(self, repository: str, tag: str) -> str | None:
            if tag.startswith("sha256:"):
                return tag
            return {"a": "sha256:1", "o.example_5000/g/b": "sha256:2"}.get(repository)

    monkeypatch.setattr(images, "RegistryClient", Registry)
    known = images.RegistryImages(cast(Any, None), "r.site/team", "r.site/team/kh-1", "scratch")
    known.served["o.example:5000/g"] = "o.example_5000"
    wanted = ["r.site/team/kh-1/a:1", "o.example:5000/g/b:2", "o.example:5000/other/b:2", "r.site/team/kh-1/none:1"]
    wanted += ["r.site/team/kh-1/a", "r.site/team/kh-1/b@sha256:3"]
    assert known.current(wanted) == {
        "r.site/team/kh-1/a:1": "r.site/team/kh-1/a:1@sha256:1",
        "o.example:5000/g/b:2": "r.site/team/kh-1/o.example_5000/g/b:2@sha256:2",
        "r.site/team/kh-1/a": "r.site/team/kh-1/a@sha256:1",
        "r.site/team/kh-1/b@sha256:3": "r.site/team/kh-1/b@sha256:3",
    }


class _SharedRegistry:
    """The user's registry, which all of its clients see."""

    address = "r.site/team"
    blobs: dict[str, dict[str, Any]]
    tags: dict[str, str]
    log: list[str]

    def __init__(self, address: str) -> None:
        assert address == "r.site/team"

    def __enter__(self) -> _SharedRegistry:
        return self

    def __exit__(self, *_: object) -> None: ...

    def digest(self, repository: str, tag: str) -> str | None:
        return self.tags.get(f"{repository}:{tag}")

    def push(self, image: str, name: str) -> str:
        self.log.append(f"push {image}")
        self.tags[name] = f"sha256:of-{image}"
        return self.tags[name]

    def manifest(self, repository: str, digest: str) -> tuple[str, dict[str, Any]]:
        return digest, self.blobs[digest]

    def blob(self, repository: str, digest: str) -> dict[str, Any]:
        return self.blobs[digest]

    def put(self, name: str, image: DerivedImage) -> None:
        self.log.append(f"put {json.loads(image.configuration.content)['config']['Cmd']}")
        self.tags[name] = image.manifest.digest


def test_one_image_with_several_commands_is_pushed_once_and_each_has_a_digest_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform = {"architecture": "amd64", "os": "linux"}
    registry = _SharedRegistry
    registry.blobs = {"sha256:of-sha256:1": {"config": {"digest": "sha256:c"}, "layers": []}, "sha256:c": platform}
    registry.tags, registry.log = {}, []
    monkeypatch.setattr(images, "RegistryClient", registry)
    monkeypatch.setattr(images.engine, "read_architecture", lambda: "amd64")
    client = SimpleNamespace(api=SimpleNamespace(inspect_image=lambda name: {"Id": "sha256:1"}))
    known = images.RegistryImages(cast(Any, client), "r.site/team", "r.site/team/kh-1", "scratch")
    commands = {"p/one:1": ["one"], "p/two:1": ["two"]}
    found = known.provide({"p/itself:1": "tool", **dict.fromkeys(commands, "tool")}, commands)
    assert registry.log[0] == "push sha256:1"
    assert sorted(registry.log[1:]) == ["put ['one']", "put ['two']"]
    assert found["p/itself:1"] == "r.site/team/kaapana-harness/image:1@sha256:of-sha256:1"
    assert len({reference.partition("@")[2] for reference in found.values()}) == 3
    for reference in found.values():
        name, _, digest = reference.removeprefix("r.site/team/").partition("@")
        assert registry.tags[name] == digest
    # the next environment moves nothing
    registry.log.clear()
    assert known.provide(dict.fromkeys(commands, "tool"), commands) == {name: found[name] for name in commands}
    assert registry.log == []
