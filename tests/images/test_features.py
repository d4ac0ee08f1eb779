"""Features of Dockerfiles that need BuildKit, and the error if it is missing or too old."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.doctor import EngineFacts
from harness.doctor.builder import Builder
from harness.errors import BuildError, EngineError
from harness.images import builders, features
from harness.images.dockerfile import Dockerfile
from harness.images.extension_image import require_builder
from harness.images.site import SiteSettings
from harness.settings import Settings

BUILDKIT = Builder("/x/docker-buildx", (0, 29))
NONE = Builder(reason="docker buildx is not installed", remedy="install it")
OLD = EngineFacts("unix:///x", "up", version="20.10.24", api="1.41")
NEW = dataclasses.replace(OLD, version="28.5.2", api="1.51")


@pytest.mark.parametrize(
    ("instruction", "feature"),
    [
        ("RUN --mount=type=cache,target=/x true", "RUN --mount"),
        ("RUN --network=none true", "RUN --network"),
        ("RUN <<EOF\ntrue\nEOF", "RUN with a here-document"),
        ("COPY <<EOF /x\ntrue\nEOF", "COPY with a here-document"),
        ("COPY --chmod=755 a b", "COPY --chmod"),
        ("COPY --from=x --link a b", "COPY --link"),
        ("ADD --checksum=sha256:1 https://a b", "ADD --checksum"),
        ("COPY --parents a b", "COPY --parents"),
        ("ONBUILD COPY --chmod=755 a b", "COPY --chmod"),
        ("FROM --platform=$BUILDPLATFORM y", "FROM with $BUILDPLATFORM"),
        ("ENV A=${B#x}", "ENV with ${B#x}"),
    ],
)
def test_a_feature_is_named_as_the_author_wrote_it_with_its_line(instruction: str, feature: str) -> None:
    [need] = list(features.find_required(Dockerfile(f"FROM x\n\n{instruction}\nUSER 1\n").instructions))
    assert (need.feature, need.line) == (feature, 3)


@pytest.mark.parametrize(
    "instruction",
    [
        "COPY --from=x --chown=1:1 a b",
        "RUN echo --mount=type=cache",
        "RUN echo ${A#b}",
        "HEALTHCHECK --interval=1s CMD true",
        "FROM --platform=linux/amd64 y AS z",
        "ENV A=${B:-c} D=${E}",
        "ARG TARGETARCH",
    ],
)
def test_an_instruction_that_every_builder_supports_needs_no_feature(instruction: str) -> None:
    assert list(features.find_required(Dockerfile(f"FROM x\n{instruction}\n").instructions)) == []


def test_a_platform_that_the_dockerfile_gives_itself_is_known_to_every_builder() -> None:
    text = "ARG BUILDPLATFORM=linux/amd64\nFROM --platform=$BUILDPLATFORM x\n"
    assert list(features.find_required(Dockerfile(text).instructions)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM --platform=linux/arm64 x\n", ("linux/arm64", 1)),
        ("FROM --platform=arm64 x\n", ("arm64", 1)),
        ("FROM --platform=windows/amd64 x\n", ("windows/amd64", 1)),
        ("ARG P=linux/arm64/v8\nFROM --platform=$P x\n", ("linux/arm64/v8", 2)),
        ("FROM --platform=linux/arm64 x AS Own\nRUN true\nFROM own\nRUN true\n", ("linux/arm64", 1)),
        ("FROM --platform=linux/arm64 x AS tools\nFROM y\nCOPY --from=tools /t /t\n", None),
        ("FROM --platform=linux/arm64 x AS own\nFROM --platform=linux/amd64 own\n", None),
        ("FROM --platform=linux/amd64 x\n", None),
        ("FROM --platform=linux/x86_64 x\n", None),
        ("FROM --platform=linux/amd64/v2 x\n", None),
        ("FROM --platform=linux x\n", None),
        ("FROM --platform=$TARGETPLATFORM x\n", None),
        ("FROM --platform=linux/$TARGETARCH x\n", None),
        ("FROM --platform=$UNKNOWN x\n", None),
        ("FROM x\n", None),
        ("FROM\n", None),
        ("", None),
    ],
)
def test_an_image_for_other_machines_is_known_by_its_last_stage(text: str, found: tuple[str, int] | None) -> None:
    assert features.find_foreign_platform(Dockerfile(text).stages({})) == found


def test_an_image_for_other_machines_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("# a\nFROM --platform=linux/arm64 x\n")
    with pytest.raises(BuildError) as caught:
        require_builder(tmp_path / "Dockerfile", settings=Settings())
    assert caught.value.cause == (
        f"{tmp_path}/Dockerfile:2: FROM --platform=linux/arm64 makes an image that cannot run: "
        "the platform's machines are linux/amd64"
    )
    assert (caught.value.exit_status, caught.value.fix) == (2, "leave --platform out, or write --platform=linux/amd64")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> object:
    def play(builder: Builder, engine: EngineFacts) -> None:
        monkeypatch.setattr(builders, "find_socket_builder", lambda _socket, _environ: builder)
        monkeypatch.setattr(builders, "require_engine", lambda: engine)

    return play


def refusal(text: str, site: SiteSettings | None = None) -> EngineError:
    with pytest.raises(EngineError) as caught:
        builders.check_features(Dockerfile(text), site or SiteSettings(), "my/Dockerfile")
    return caught.value


MOUNT = "FROM x\nRUN --mount=type=cache,target=/x true\nRUN <<EOF\ntrue\nEOF\n"


def test_without_buildkit_the_first_feature_is_named_with_what_to_install(here) -> None:  # type: ignore[no-untyped-def]
    here(NONE, NEW)
    error = refusal(MOUNT)
    assert error.cause == (
        "my/Dockerfile:2: RUN --mount needs BuildKit, but images are built by the legacy builder: "
        "docker buildx is not installed"
    )
    assert error.last_seen == "line 3: RUN with a here-document"
    assert error.fix == "install it"
    assert error.exit_status == 3


def test_an_engine_that_is_too_old_even_with_buildkit_is_reported_at_once(here) -> None:  # type: ignore[no-untyped-def]
    here(NONE, OLD)
    assert refusal(MOUNT).fix == "install it, and Docker 23.0 or newer"


def test_a_buildkit_that_is_too_old_names_engine_and_frontend(here) -> None:  # type: ignore[no-untyped-def]
    here(BUILDKIT, OLD)
    error = refusal(MOUNT)
    assert error.cause == "my/Dockerfile:3: RUN with a here-document is newer than the BuildKit of Docker 20.10.24"
    assert error.fix.startswith("install Docker 23.0 or newer, or write `# syntax=docker/dockerfile:1`")
    here(BUILDKIT, NEW)
    builders.check_features(Dockerfile(MOUNT), SiteSettings(), "Dockerfile")


def test_a_frontend_of_its_own_decides_what_it_knows(here, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    here(BUILDKIT, OLD)
    monkeypatch.setattr(builders, "pull_frontend", lambda _reference, _on_line: "")
    builders.check_features(Dockerfile(f"# syntax=docker/dockerfile:1\n{MOUNT}"), SiteSettings(), "Dockerfile")
    # where it cannot be pulled the engine's own is used, and that is too old
    monkeypatch.setattr(builders, "pull_frontend", lambda _reference, _on_line: "no such host")
    error = refusal(f"# syntax=docker/dockerfile:1\n{MOUNT}")
    assert error.cause.startswith("my/Dockerfile:4: RUN with a here-document is newer than the BuildKit of Docker")
    assert "docker/dockerfile:1 cannot be pulled: no such host" in error.last_seen


@pytest.mark.parametrize(
    ("frontend", "version"),
    [
        ("docker/dockerfile:1.4", (1, 4)),
        ("docker.io/docker/dockerfile:1.4.3@sha256:00", (1, 4)),
        ("mirror.example:5000/docker/dockerfile-upstream:1.10", (1, 10)),
        ("docker/dockerfile:1", None),
        ("docker/dockerfile", None),
        ("docker/dockerfile:1.7-labs", None),
        ("example/frontend:1.4", None),
    ],
)
def test_only_a_numbered_version_of_dockers_frontend_stays_as_it_is(
    frontend: str, version: tuple[int, int] | None
) -> None:
    assert features.find_pinned(frontend) == version


def test_a_numbered_frontend_that_is_older_than_a_feature_is_refused(here, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    here(BUILDKIT, NEW)
    monkeypatch.setattr(builders, "pull_frontend", lambda _reference, _on_line: "")
    error = refusal(f"# syntax=docker/dockerfile:1.2\n{MOUNT}")
    assert error.cause == "my/Dockerfile:4: RUN with a here-document is newer than docker/dockerfile:1.2"
    assert error.fix == "write `# syntax=docker/dockerfile:1`"
    builders.check_features(Dockerfile(f"# syntax=docker/dockerfile:1.4\n{MOUNT}"), SiteSettings(), "Dockerfile")
    # where it cannot be pulled the engine's own reads the file, and that is newer
    monkeypatch.setattr(builders, "pull_frontend", lambda _reference, _on_line: "no such host")
    builders.check_features(Dockerfile(f"# syntax=docker/dockerfile:1.2\n{MOUNT}"), SiteSettings(), "Dockerfile")


def test_a_secret_that_becomes_a_variable_needs_a_newer_buildkit_than_other_mounts(here) -> None:  # type: ignore[no-untyped-def]
    here(BUILDKIT, dataclasses.replace(OLD, version="27.0.3", api="1.46"))
    error = refusal("FROM x\nRUN --mount=type=secret,id=a --mount=type=secret,id=b,env=B true\n")
    assert error.cause == (
        "my/Dockerfile:2: RUN --mount=type=secret with env= is newer than the BuildKit of Docker 27.0.3"
    )
    assert error.fix.startswith("install Docker 28.0 or newer")


def test_a_site_that_buildkit_cannot_serve_uses_the_legacy_builder_with_the_reason(here) -> None:  # type: ignore[no-untyped-def]
    here(BUILDKIT, NEW)
    error = refusal(MOUNT, SiteSettings(network="builds"))
    assert "BuildKit has no network 'builds' for builds" in error.cause
    assert error.fix == "unset KAAPANA_HARNESS_BUILD_NETWORK"


def test_buildkit_is_not_used_where_the_engine_would_keep_a_password_of_the_site() -> None:
    proxies = {"HTTPS_PROXY": "http://ada:secret@proxy.example:3128"}

    def chosen(version: tuple[int, int], engine: EngineFacts, proxies: dict[str, str]) -> Builder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                builders, "find_socket_builder", lambda _socket, _environ: Builder("/x/docker-buildx", version)
            )
            return builders.choose_builder(SiteSettings(proxies=proxies), engine)

    between = dataclasses.replace(OLD, version="26.1.5", api="1.45")
    refused = chosen((0, 29), between, proxies)
    assert not refused.buildkit
    assert refused.reason == (
        "the BuildKit of Docker 26.1.5 would keep the password in HTTPS_PROXY in its records of builds"
    )
    assert refused.remedy == "install Docker 28.0 or newer, or use a proxy without a password"
    # Docker 20.10 keeps no records, Docker 28 takes secrets
    assert chosen((0, 13), OLD, proxies).buildkit
    assert chosen((0, 29), NEW, proxies).buildkit
    assert chosen((0, 29), between, {"HTTPS_PROXY": "http://proxy.example:3128"}).buildkit


def test_buildkit_is_not_used_where_its_client_would_add_a_password_of_dockers_configuration() -> None:
    site = SiteSettings(proxies={"HTTP_PROXY": "http://ada:secret@proxy.example:3128"}, docker_proxies=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builders, "find_socket_builder", lambda _socket, _environ: BUILDKIT)
        assert "docker's own configuration" in builders.choose_builder(site, NEW).reason
        assert builders.choose_builder(dataclasses.replace(site, docker_proxies=False), NEW).buildkit
        assert builders.choose_builder(dataclasses.replace(site, proxies={}), NEW).buildkit
        assert builders.choose_builder(site, OLD).buildkit


def test_each_engine_knows_what_its_buildkit_has_built_in() -> None:
    assert features.find_syntax("1.41") == (1, 2)
    assert features.find_syntax("1.51") == (1, 19)
    assert features.find_syntax("1.99") == features.find_syntax("1.52")
    assert features.find_syntax("1.40") == features.LEGACY
    assert [features.find_release(syntax) for syntax in ((1, 2), (1, 4), (1, 3), (1, 20))] == [
        "20.10", "23.0", "23.0", "29.0",
    ]  # fmt: skip
