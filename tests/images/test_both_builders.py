"""The legacy builder and BuildKit: the same image, the same words, and no password of the site in either."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker import APIClient

from harness import doctor
from harness.doctor.builder import find_builder
from harness.engine import find_image, remove_image
from harness.errors import BuildError
from harness.images import build_extension_image, build_image, buildkit, features
from harness.images.context import make_author_context
from harness.images.site import SiteSettings
from harness.settings import Settings
from tests.images.conftest import RunImage

BASE = "FROM local-only/base-installer:latest"
PASSWORD = "geheim-8461"
PROXY = f"http://ada:{PASSWORD}@proxy.invalid:3128"

EVERYTHING = f"""\
ARG GREETING=hi
{BASE} AS tools
RUN mkdir /t && echo x > /t/x
{BASE} AS unused
RUN cat /not-there
{BASE}
ARG GREETING
ARG TARGETARCH
ARG TARGETPLATFORM=none
ENV A=b C="d $A" GREETED=$GREETING ARCH=$TARGETARCH PLATFORM=$TARGETPLATFORM
WORKDIR /new/folder
COPY --chown=1000:1000 . /files/
COPY --from=tools /t /t
ADD unique.txt /added/
RUN echo $GREETING $TARGETARCH > /greeting && chmod 4755 /greeting
USER 1000:1000
EXPOSE 80/tcp
VOLUME /v
HEALTHCHECK --interval=5s CMD true
STOPSIGNAL SIGINT
SHELL ["/bin/bash", "-c"]
ONBUILD RUN true
LABEL a=b c="d e"
ENTRYPOINT ["sh"]
CMD ["-c", "true"]
"""
# the image that the last step began with, and a mark of Windows
BUILDERS_OWN = ("Image", "ArgsEscaped")

Build = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # unlike any other test's, so that no earlier result is found
    (tmp_path / "unique.txt").write_text(secrets.token_hex(8))
    return tmp_path


@pytest.fixture
def build(engine: APIClient, base_installer: str, folder: Path, settings: Settings) -> Iterator[Build]:
    """Builds a Dockerfile under a name that is gone afterwards; returns the image id."""
    tags: list[str] = []

    def run(text: str, site: SiteSettings | None = None, **more: object) -> str:
        tags.append(f"kaapana-harness/test-{secrets.token_hex(4)}:1")
        (folder / "Dockerfile").write_text(text)
        return build_image(
            make_author_context(folder),
            tag=tags[-1],
            settings=settings,
            site=site,
            error=BuildError,
            **more,  # type: ignore[arg-type]
        )

    yield run
    for tag in tags:
        remove_image(engine, tag)


def needs_buildkit(syntax: tuple[int, int] = features.LEGACY) -> None:
    found = find_builder(os.environ)
    if not found.buildkit:
        pytest.skip(f"BuildKit: {found.reason}")
    if features.find_syntax(doctor.require_engine().api) < syntax:
        pytest.skip(f"the BuildKit of this engine is older than Docker {features.find_release(syntax)}")


def test_both_make_the_same_image(
    engine: APIClient, folder: Path, build: Build, run_image: RunImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_buildkit()
    (folder / "sub").mkdir()
    (folder / "sub" / "run.sh").write_text("true\n")
    (folder / "sub" / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("unique.txt")
    text = EVERYTHING.replace("RUN cat /not-there", "RUN true")
    described = []
    for switch in ("0", "1"):
        monkeypatch.setenv("DOCKER_BUILDKIT", switch)
        image = build(text, labels={"y": "z"}, buildargs={"GREETING": "hello"})
        found = find_image(engine, image)
        assert found is not None
        settings = {key: value for key, value in found["Config"].items() if key not in BUILDERS_OWN}
        listing = run_image(
            image, ["find", "/files", "/t", "/added", "/new", "/greeting", "-printf", "%p %M %U:%G %l\n"]
        )
        content = run_image(image, ["cat", "/greeting", "/files/link", "/t/x"])
        described.append(
            (settings, listing, content, len(found["RootFS"]["Layers"]), found["Architecture"], found["Os"])
        )
    assert described[0] == described[1]
    assert {"GREETED=hello", "ARCH=amd64", "PLATFORM=none"} <= set(described[0][0]["Env"])


def test_a_stage_that_nothing_needs_is_not_built(
    folder: Path, builder: str, settings: Settings, engine: APIClient
) -> None:
    (folder / "Dockerfile").write_text(EVERYTHING)
    tag = f"kaapana-harness/test-{secrets.token_hex(4)}:1"
    lines: list[str] = []
    build_extension_image(folder, tag, settings=settings, on_line=lines.append)
    for name in (find_image(engine, tag) or {})["RepoTags"]:
        remove_image(engine, name)
    assert any(line.startswith("Step ") for line in lines)
    assert not any("not-there" in line for line in lines)


def test_features_of_buildkit_are_built_by_it(folder: Path, build: Build, run_image: RunImage) -> None:
    needs_buildkit((1, 2))
    image = build(
        f"{BASE} AS one\nRUN mkdir /t && echo x > /t/x\n{BASE}\n"
        "COPY --chmod=750 unique.txt /unique.txt\n"
        "RUN --mount=type=bind,from=one,source=/t,target=/t --mount=type=cache,target=/c cat /t/x > /x && touch /c/y\n"
    )
    assert run_image(image, ["sh", "-c", "stat -c %a /unique.txt; cat /x"]).split() == ["750", "x"]


def test_here_documents_and_links_are_built(folder: Path, build: Build, run_image: RunImage) -> None:
    needs_buildkit((1, 4))
    image = build(f"{BASE}\nCOPY --link unique.txt /u/\nRUN <<EOF\necho one > /x\necho two >> /x\nEOF\n")
    assert run_image(image, ["cat", "/x", "/u/unique.txt"]).split()[:2] == ["one", "two"]


def test_the_same_step_fails_in_the_same_words(build: Build, builder: str) -> None:
    with pytest.raises(BuildError) as caught:
        build(
            f"{BASE}\nENV A=b\nCOPY unique.txt /\nRUN echo looking $A; \\\n    cat /not-there\n", shown="my/Dockerfile"
        )
    first = caught.value.cause
    assert first.startswith("my/Dockerfile does not build: line 4: RUN echo looking ")
    assert first.endswith("cat /not-there")
    assert {"looking b", "cat: /not-there: No such file or directory"} <= set(caught.value.last_seen.splitlines())


def test_a_frontend_that_cannot_be_had_is_replaced_by_the_builders_own_with_a_notice(
    build: Build, builder: str, run_image: RunImage
) -> None:
    notices: list[str] = []
    image = build(
        f"# syntax=localhost:1/docker/dockerfile:1\n# escape=`\n{BASE}\nRUN echo a `\n  b > /x\n",
        on_notice=notices.append,
    )
    assert run_image(image, ["cat", "/x"]) == "a b\n"
    notice = notices[-1]
    assert notice.startswith("Dockerfile: # syntax=localhost:1/docker/dockerfile:1 ")
    assert "the builder's own frontend" in notice


def test_no_password_of_the_site_stays_in_an_image_its_history_or_the_engines_records(
    engine: APIClient, build: Build, builder: str, run_image: RunImage
) -> None:
    site = SiteSettings(proxies=dict.fromkeys(("HTTP_PROXY", "http_proxy"), PROXY))
    lines: list[str] = []
    image = build(
        f"{BASE}\nARG HTTP_PROXY\nARG http_proxy A=1\nENV B=$A\n"
        f"RUN test $(printf %s $HTTP_PROXY | sha256sum | cut -c1-64) = {hashlib.sha256(PROXY.encode()).hexdigest()}\n",
        site=site,
        on_line=lines.append,
    )
    described = json.dumps([find_image(engine, image), engine.history(image)])
    assert PASSWORD not in described
    assert "B=1" in described
    assert any("ARG of a proxy is left out" in line for line in lines)
    assert not any(PASSWORD in line for line in lines)


def test_no_password_of_the_site_is_in_what_the_engine_records_of_a_build(
    build: Build, base_installer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_buildkit((1, 10))
    plugin = find_builder(os.environ)
    if plugin.version < (0, 20):
        pytest.skip("this docker buildx does not show the records of builds")
    own = tmp_path / "plugin's own"
    own.mkdir()
    monkeypatch.setattr(buildkit, "scratch_folder", lambda _parent: contextlib.nullcontext(own))
    marker = secrets.token_hex(8)
    build(
        f"{BASE}\nARG MARKER\nRUN true\n",
        site=SiteSettings(proxies={"HTTP_PROXY": PROXY}),
        buildargs={"MARKER": marker},
    )
    [record] = [path.name for path in (own / "refs").glob("*/*/*") if path.is_file()]
    shown = subprocess.run(
        [plugin.plugin, "history", "inspect", "--builder", "default", record],
        env={**os.environ, "DOCKER_HOST": doctor.require_engine().address, "BUILDX_CONFIG": str(own)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # the arguments are in it
    assert marker in shown
    assert PASSWORD not in shown


KILLED = """\
import sys
from harness.images import build_image
from harness.images.context import Context, ContextEntry
from harness.settings import Settings

def say(line: str) -> None:
    print(line, flush=True)


context = Context([ContextEntry("Dockerfile", content=sys.argv[1].encode())])
build_image(context, tag="kaapana-harness/test-killed:1", settings=Settings(), on_line=say)
"""


def test_the_engine_gives_up_the_build_of_a_process_that_is_killed(base_installer: str, builder: str) -> None:
    mark = f"600.{secrets.randbelow(10**9)}"
    owner = subprocess.Popen(
        [sys.executable, "-c", KILLED, f"{BASE}\nRUN echo begun; sleep {mark}\n"], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    with owner.stdout:
        assert any(line == "begun\n" for line in owner.stdout)
        seen = holds(lambda: running(mark), 10)
        owner.kill()
        owner.wait()
    if not seen:
        pytest.skip("the engine's processes are not seen from here")
    assert holds(lambda: not running(mark), 30), "the step goes on without the process that wanted it"


def holds(condition: Callable[[], bool], limit_s: float) -> bool:
    """Whether a condition comes to hold in time."""
    deadline = time.monotonic() + limit_s
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


def running(mark: str) -> bool:
    """Whether the step's own program runs; the processes that have it in their arguments are of Python."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == f"sleep\0{mark}\0".encode():
                return True
    return False
