"""Evidence of building an extension's containers; nothing is built here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import engine, extension
from harness.errors import BuildError
from harness.platform import delivery
from harness.settings import Settings
from tests.extension.trees_for_tests import FILES, write

MEAN = "processing-containers/mean-value/Dockerfile"
URL = "https://codes.example/c.txt"


def test_replaced_urls_and_bases_are_reported_and_kept_with_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(folder: Path, tag: str, **more: Any) -> str:
        return f"sha256:{folder.name}"

    monkeypatch.setattr(delivery, "build_extension_image", build)
    monkeypatch.setattr(engine, "find_layers", lambda image: ())
    source = extension.read(write(tmp_path, {MEAN: FILES[MEAN] + f"RUN pip install -c {URL} x\n"}))
    settings = Settings(build_urls=((URL, "https://m.site/c.txt"),), base_images=(("base-python-cpu", "r.site/cpu:1"),))
    said: list[str] = []
    images = delivery.build(source.processing_images, lambda one: f"r/{one.image}:1", settings, said.append)
    replaced = (
        "line 1: local-only/base-python-cpu:latest -> r.site/cpu:1",
        f"line 6: {URL} -> https://m.site/c.txt",
    )
    assert [image.replaced for image in images] == [replaced]
    assert said == [f"building mean-value: {text}" for text in replaced]


def test_a_missing_file_of_the_site_is_named_before_any_container_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "build_extension_image", lambda *_, **__: pytest.fail("something was built"))
    tree = write(tmp_path, {MEAN: FILES[MEAN] + f"RUN curl -O {URL}\n"})
    settings = Settings(build_urls=((URL, str(tmp_path / "gone")),))
    containers = extension.read(tree).processing_images
    with pytest.raises(BuildError, match=f"{MEAN}:6: {URL} cannot be replaced: {tmp_path}/gone does not exist"):
        delivery.build(containers, lambda one: one.image, settings, print)
