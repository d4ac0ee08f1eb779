"""A kind of cluster is one provider: it can be added without a change of any other module."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness import engine, images, profiles
from harness.cluster import Cluster, kinds, ledger, open_cluster, providers
from harness.common.progress import OnProgress, quiet
from harness.engine import leftovers
from harness.errors import NotRemovedError, UsageError
from harness.platform import helm, ownership, platform_chart, pruning
from harness.platform.credentials import Credentials
from harness.platform.environment import Environment
from harness.platform.manifests import arrange
from harness.settings import Settings
from harness.settings.builds import BuildSettings
from harness.settings.clusters import ClusterSettings


class Cloud(providers.Provider):
    """Clusters at ``cloud:REGION``, which belong to others as well; what they do is noted."""

    form = "cloud:REGION"
    several_nodes = True
    owns_cluster = False
    owns_registry = False

    def __init__(self) -> None:
        self.made: dict[str, Cluster] = {}
        self.alive: set[str] = set()
        self.removed: list[str] = []
        self.found: list[providers.FoundEnvironment] = []
        self.tried: list[str] = []

    def accepts(self, spec: str) -> bool:
        return spec in {"cloud:north", "cloud:south"}

    def create(
        self,
        settings: ClusterSettings,
        environment_id: str,
        spec: str,
        *,
        images: Iterable[str] = (),
        on_progress: OnProgress = quiet,
    ) -> Cluster:
        cluster = SimpleNamespace(name=spec, environment_id=environment_id, volume_node="", images=list(images))
        self.made[environment_id] = cast(Cluster, cluster)
        return self.made[environment_id]

    def adopt(self, settings: ClusterSettings, environment_id: str) -> Cluster | None:
        return self.made.get(environment_id)

    def is_alive(self, state: Path, entry: ledger.Entry) -> bool:
        return entry.id in self.alive

    def remove(self, state: Path, entry: ledger.Entry) -> None:
        self.removed.append(entry.id)

    def find(self, state: Path) -> list[providers.FoundEnvironment]:
        return self.found

    def images_in_use(self, state: Path) -> Mapping[str, Collection[str] | None]:
        return {name: {f"sha256:{name}"} if name in self.alive else None for name in self.made}

    def prune_contents(self, settings: BuildSettings, say: OnProgress, *, everything: bool = False) -> list[str]:
        return ["disk-of-cloud"] if everything else []

    def try_machine(self, image: str) -> None:
        self.tried.append(image)


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of a ledger of this test, on an engine on which nothing is."""
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(engine, "connect", lambda **_: EngineWithoutAnything())
    return Settings(cluster="cloud:north")


class EngineWithoutAnything(io.StringIO):
    """A client of an engine without containers, networks, volumes and images."""

    api = SimpleNamespace(
        containers=lambda **_: [], networks=lambda **_: [], volumes=lambda **_: {"Volumes": []}, images=list
    )


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    provider = Cloud()
    with kinds.register_while(provider):
        yield provider


def _record(settings: Settings, name: str, **changes: Any) -> None:
    """Record an environment whose owner has ended."""
    entry = ledger.new_entry(name, "cloud:north")
    changes = {"owner_start": entry.owner_start - 1, **changes}
    ledger.record(settings.state, dataclasses.replace(entry, **changes))


def test_the_setting_takes_the_names_of_an_added_kind_and_no_others(cloud: Cloud, tmp_path: Path) -> None:
    assert Settings.load({"cluster": "cloud:south"}, environ={}, start=tmp_path).cluster == "cloud:south"
    with pytest.raises(UsageError, match="expected docker, kind, context:NAME or cloud:REGION, got 'cloud:east'"):
        Settings.load({"cluster": "cloud:east"}, environ={}, start=tmp_path)


def test_without_the_kind_its_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected docker, kind or context:NAME, got 'cloud:north'"):
        Settings.load({"cluster": "cloud:north"}, environ={}, start=tmp_path)


def test_a_cluster_is_made_with_its_images_and_adopted_again(cloud: Cloud, settings: Settings) -> None:
    made = open_cluster("cloud:north", settings, environment_id="e1", images=["kaapana-harness/a:1"])
    assert vars(made)["images"] == ["kaapana-harness/a:1"]
    assert open_cluster("cloud:north", settings, environment_id="e1", reuse=True) is made
    assert open_cluster("cloud:north", settings, environment_id="e2", reuse=True) is not made


def test_an_unsupported_option_of_a_cluster_is_refused_with_the_kinds_that_support_it(cloud: Cloud) -> None:
    settings = Settings(nodes=2)
    assert open_cluster("cloud:north", settings, environment_id="e1")
    with pytest.raises(UsageError, match="nodes is 2, but the cluster docker") as caught:
        open_cluster("docker", settings, environment_id="e2")
    assert caught.value.fix == "use --cluster kind or cloud:REGION (pytest: --kaapana-cluster)"


def test_an_environment_whose_owner_died_is_removed_by_its_kind(cloud: Cloud, settings: Settings) -> None:
    _record(settings, "dead")
    _record(settings, "kept", kept=True)
    assert ownership.tidy(settings.state) == ["dead"]
    assert cloud.removed == ["dead"]
    assert [entry.id for entry in ledger.read_entries(settings.state)] == ["kept"]
    assert ownership.down(settings.state) == ["kept"]
    assert cloud.removed == ["dead", "kept"]
    assert ledger.read_entries(settings.state) == []


def test_kept_environments_are_pruned_when_their_kind_does_not_find_them_alive(
    cloud: Cloud, settings: Settings
) -> None:
    cloud.alive.add("alive")
    for name in ("alive", "ended"):
        _record(settings, name, kept=True)
    assert ownership.prune(settings.state) == ["ended"]
    assert [entry.id for entry in ledger.read_entries(settings.state)] == ["alive"]


def test_parts_without_an_owner_are_pruned(cloud: Cloud, settings: Settings) -> None:
    def refuse() -> None:
        raise NotRemovedError("the cloud does not answer")

    def remove(name: str) -> Any:
        return lambda: cloud.removed.append(name)

    _record(settings, "known", kept=True)
    cloud.alive.add("known")
    cloud.found = [
        providers.FoundEnvironment("known", lambda: False, remove("known")),
        providers.FoundEnvironment("used", lambda: True, remove("used")),
        providers.FoundEnvironment("stuck", lambda: False, refuse),
        providers.FoundEnvironment("orphan", lambda: False, remove("orphan")),
    ]
    assert ownership.prune(settings.state) == ["orphan"]
    assert cloud.removed == ["orphan"]


def test_a_leftover_found_by_two_kinds_belongs_to_the_one_that_looks_closer(
    cloud: Cloud, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "find", lambda _: {"both": leftovers.Leftover("both")})
    monkeypatch.setattr(leftovers, "remove", lambda *_: pytest.fail("removed as a docker cluster"))
    cloud.found = [providers.FoundEnvironment("both", lambda: True, lambda: None)]
    assert ownership.prune(settings.state) == []


def test_an_entry_of_a_kind_that_is_not_known_is_removed_from_the_engine_by_its_labels(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []
    monkeypatch.setattr(leftovers, "remove", lambda _, name: removed.append(name))
    _record(settings, "dead")
    assert ownership.tidy(settings.state) == ["dead"]
    assert removed == ["dead"]
    assert ledger.read_entries(settings.state) == []


def test_images_stay_that_an_environment_of_the_kind_needs(
    cloud: Cloud, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str]] = []
    monkeypatch.setattr(images, "compute_tags", lambda _: {})
    monkeypatch.setattr(images, "prune", lambda *_, in_use, **__: asked.append(in_use) or [])
    open_cluster("cloud:north", settings, environment_id="e1")
    said: list[str] = []
    pruning.prune_images(settings, said.append)
    assert asked == []
    assert said == ["keeping all images: environment e1 runs, but does not tell which ones it needs"]
    cloud.alive.add("e1")
    pruning.prune_images(settings, said.append)
    assert asked == [{"sha256:e1"}]


def test_contents_of_the_kinds_nodes_are_pruned(
    cloud: Cloud, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pruning.prune_contents(settings, quiet) == []
    assert pruning.prune_contents(settings, quiet, everything=True) == ["disk-of-cloud"]


def test_the_platforms_chart_has_what_the_kind_leaves_to_the_environment(cloud: Cloud, settings: Settings) -> None:
    cluster = open_cluster("cloud:north", settings, environment_id="e1")
    profile, credentials = profiles.load("documented"), Credentials.random()

    def objects_on(kind: providers.Provider) -> set[str]:
        values = platform_chart.make_values(cluster, profile, credentials, {}, kind=kind)
        rendered = helm.find().render(platform_chart.CHART, values, release="p", namespace="admin")
        return {f"{entry['kind']}/{entry['metadata']['name']}" for entry in arrange(rendered).objects}

    own, shared = objects_on(providers.get_provider("docker")), objects_on(cloud)
    assert shared < own
    left_out = {name.partition("/")[0] for name in own - shared}
    assert {"PriorityClass", "ClusterRoleBinding"} <= left_out
    assert "Deployment/harness-registry" in own - shared


def test_the_registry_is_used_with_the_users_login_where_the_kind_does_not_own_one(
    cloud: Cloud, settings: Settings
) -> None:
    served: list[Any] = []
    cluster: Any = SimpleNamespace(
        environment_id="e1",
        api=None,
        registry="registry.site",
        push_address="registry.site",
        address=lambda *_: ("127.0.0.1", 1),
        serve_registry=lambda name, prefix, login: served.append(login),
    )
    profile, credentials = profiles.load("documented"), Credentials.random()
    for chosen in (settings, Settings()):
        Environment(cluster, chosen, profile, credentials, adopted=False)
    assert served == [None, credentials.pull]
