"""Bases and URLs of a Dockerfile for which a site takes its own; only the copy that is built changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import BuildError, UsageError
from harness.images.dockerfile import Dockerfile
from harness.images.extension_image import find_substitutes
from harness.images.substitutes import Substituted, find_base, replace_urls
from harness.settings import Settings

HEAD = "FROM local-only/base-python-cpu:latest\n"
URL = "https://codes.example/-/raw/0.4.0/constraints.txt"


def replaced(text: str, *urls: tuple[str, object]) -> Substituted:
    return replace_urls(Dockerfile(HEAD + text), Path("Dockerfile"), [(url, str(taken)) for url, taken in urls])


def reported(result: Substituted) -> list[str]:
    return [str(one) for one in result.replaced]


@pytest.mark.parametrize(
    ("key", "taken", "text", "expected"),
    [
        (
            URL,
            "https://m.site/c.txt",
            f"RUN pip install -c {URL} x",
            "RUN pip install -c https://m.site/c.txt x",
        ),
        (
            "https://a.example/",
            "https://m.site/a",
            "ADD https://a.example/x/y.zip /",
            "ADD https://m.site/a/x/y.zip /",
        ),
        (
            "https://a.example/r",
            "https://m.site/r",
            "RUN pip install git+https://a.example/r@v1 'https://a.example/r?a=1&b=2' https://a.example/rest",
            "RUN pip install git+https://m.site/r@v1 'https://m.site/r?a=1&b=2' https://a.example/rest",
        ),
        (
            "https://a.example/",
            "https://m.site/",
            "RUN curl https://a.example/${VERSION}/x",
            "RUN curl https://m.site/${VERSION}/x",
        ),
        ("https://a.example/", "https://m.site/", "ENV X=https://a.example/", "ENV X=https://a.example/"),
        (
            "https://a.example/",
            "https://m.site/",
            "ONBUILD RUN curl https://a.example/",
            "ONBUILD RUN curl https://a.example/",
        ),
    ],
)
def test_urls_of_run_and_add_lead_to_a_mirror(key: str, taken: str, text: str, expected: str) -> None:
    result = replaced(text + "\n", (key, taken))
    assert result.text == f"{HEAD}{expected}\n"
    assert result.entries == result.added == ()
    assert bool(result.replaced) == (text != expected)


def test_the_longest_matching_url_wins_and_its_line_is_reported(tmp_path: Path) -> None:
    text = f"RUN true \\\n && curl -o x https://a.example/b/c \\\n && pip install -c {URL} x\n"
    result = replaced(text, ("https://a.example/", "https://one/"), ("https://a.example/b/", "https://two/"))
    assert reported(result) == ["line 3: https://a.example/b/c -> https://two/"]
    assert "curl -o x https://two/c" in result.text


def test_a_file_takes_the_place_of_a_url_that_a_step_downloads(tmp_path: Path) -> None:
    file = tmp_path / "c.txt"
    file.write_text("x==1\n")
    result = replaced(f"RUN pip install \\\n    -c {URL} x\nRUN true\n", (URL, file))
    lines = result.text.splitlines()
    (entry,) = result.entries
    assert (entry.path, entry.mode) == (file, 0o644)
    place = entry.name.removeprefix(".kaapana-harness-urls/")
    assert place.endswith("/constraints.txt")
    assert lines[1] == f'COPY [".kaapana-harness-urls/{place}", "/opt/kaapana-harness-urls/{place}"]'
    assert lines[3] == f"    -c file:///opt/kaapana-harness-urls/{place} x"
    assert result.added == (2,)
    assert reported(result) == [f"line 3: {URL} -> {file}"]


def test_a_file_that_is_added_is_not_unpacked_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.tar.gz"
    file.write_bytes(b"x")
    url = "https://a.example/x.tar.gz"
    result = replaced(f"ADD --checksum=sha256:00 --chown=1 {url} /opt/\n", (url, file))
    (entry,) = result.entries
    assert entry.mode == 0o600
    assert result.text == f"{HEAD}COPY --chown=1 {entry.name} /opt/\n"
    assert entry.name.endswith("/x.tar.gz")
    json_form = replaced(f'ADD ["{url}", "/opt/"]\n', (url, file))
    assert json_form.text == f'{HEAD}COPY ["{entry.name}", "/opt/"]\n'


@pytest.mark.parametrize(
    ("url", "named", "files"),
    [
        ("https://a.example/v1/x.zip", "x.zip", ["v1/x.zip"]),
        ("https://a.example/v1/$FILE", "v1/$FILE", ["v1/x.zip", "v1/y.zip"]),
        ("git+https://a.example/repo@main#egg=x", "repo@main#egg=x", ["repo/config"]),
        ("https://a.example/repo?x=1", "repo", ["repo/config"]),
        ("https://a.example/v@1/z", "z", ["v@1/z"]),
    ],
)
def test_a_folder_takes_the_place_of_all_that_a_url_begins_with(
    tmp_path: Path, url: str, named: str, files: list[str]
) -> None:
    for name in ("v1/x.zip", "v1/y.zip", "repo/config", "v@1/z"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    result = replaced(f'RUN curl -O "{url}"\n', ("https://a.example/", tmp_path))
    assert sorted(str(entry.path.relative_to(tmp_path)) for entry in result.entries if entry.path) == files
    assert re.match(r'RUN curl -O "(git\+)?file:///opt/kaapana-harness-urls/', result.text.splitlines()[-1])
    assert result.text.splitlines()[-1].endswith(f'/{named}"')


@pytest.mark.parametrize(
    ("text", "taken", "message"),
    [
        (
            "RUN curl https://a.example/x",
            "gone",
            r"Dockerfile:2: \S+/x cannot be replaced: .*gone does not exist",
        ),
        ("RUN wget -q https://a.example/x", "here", r"Dockerfile:2: wget does not read files, and https://a.example/x"),
        ("ADD https://a.example/x more.tar /opt/", "here", "an ADD of several sources"),
        ("RUN curl https://a.example/x/y", "here", "here is not a folder"),
    ],
)
def test_an_instruction_that_cannot_be_replaced_is_named_before_anything_is_built(
    tmp_path: Path, text: str, taken: str, message: str
) -> None:
    (tmp_path / "here").write_text("x")
    with pytest.raises(BuildError, match=message):
        replaced(f"{text}\n", ("https://a.example/x", tmp_path / taken))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("local-only/base-mitk:latest", True),
        ("local-only/base-mitk", True),
        ("base-mitk", True),
        ("mitk", False),
        ("base-mitk:latest", False),
    ],
)
def test_a_base_is_named_whole_without_its_tag_or_by_its_short_name(name: str, found: bool) -> None:
    images = [(name, "registry.site/base-mitk:1")]
    assert find_base("local-only/base-mitk:latest", images) == ("registry.site/base-mitk:1" if found else None)


def test_replacements_are_reported_by_line_and_the_authors_file_is_unchanged(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    text = (
        "FROM localhost:32000/base-mitk:latest AS mitk\nFROM python:3.12\nCOPY --from=mitk /a /a\n"
        f"RUN pip install -c {URL} x\n"
    )
    dockerfile.write_text(text)
    settings = Settings(
        base_images=(("base-mitk", "registry.site/base-mitk:1"), ("python:3.12", "registry.site/python:3.12")),
        build_urls=((URL, "https://m.site/c.txt"),),
    )
    assert [str(one) for one in find_substitutes(dockerfile, settings=settings)] == [
        "line 1: local-only/base-mitk:latest -> registry.site/base-mitk:1",
        "line 2: python:3.12 -> registry.site/python:3.12",
        f"line 4: {URL} -> https://m.site/c.txt",
    ]
    assert find_substitutes(dockerfile, settings=Settings()) == ()
    assert dockerfile.read_text() == text


def test_the_settings_are_a_table_of_a_project_whose_paths_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.kaapana-harness.build-urls]\n"https://a.example/" = "mirror"\n"https://b.example/x?a=1" = "https://m/x"\n'
        '[tool.kaapana-harness.base-images]\nbase-mitk = "registry.site/base-mitk:1"\n'
    )
    settings = Settings.load(environ={}, start=tmp_path)
    assert settings.build_urls == (
        ("https://a.example/", str(tmp_path / "mirror")),
        ("https://b.example/x?a=1", "https://m/x"),
    )
    assert settings.base_images == (("base-mitk", "registry.site/base-mitk:1"),)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("KAAPANA_HARNESS_BUILD_URLS", "a.example=/x", "expected URL=FILE or URL"),
        ("KAAPANA_HARNESS_BUILD_URLS", "https://a.example", "expected URL=FILE or URL"),
        ("KAAPANA_HARNESS_BASE_IMAGES", "base-mitk", "expected IMAGE=REFERENCE"),
    ],
)
def test_a_setting_that_names_no_pair_is_refused(tmp_path: Path, variable: str, value: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings.load(environ={variable: value}, start=tmp_path)
