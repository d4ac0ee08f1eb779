"""Settings of the host that builds need to reach packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.errors import ImageError, UsageError
from harness.images import seeds
from harness.images.site import SiteSettings, has_password

PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def detect(environ: dict[str, str] | None = None, *, config: Path | None = None, **more: Path) -> SiteSettings:
    return SiteSettings.detect(
        environ={"HOME": "/nowhere", **(environ or {})},
        config_files=[config] if config else [],
        bundles=[],
        **more,  # type: ignore[arg-type]
    )


def test_a_bundle_that_the_user_names_wins_over_the_environment(tmp_path: Path) -> None:
    named, other = tmp_path / "named.pem", tmp_path / "other.pem"
    named.write_bytes(PEM)
    other.write_bytes(PEM + PEM)
    environ = {"SSL_CERT_FILE": str(other)}
    assert detect(environ).certificates == PEM + PEM
    assert detect(environ, ca_bundle=named).certificates == PEM


def test_a_named_bundle_without_a_certificate_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(UsageError, match=r"empty\.pem holds no certificate"):
        detect(ca_bundle=tmp_path / "empty.pem")


@pytest.mark.parametrize("path", ["missing.pem", ".", "a" * 300, "/dev/zero", "/proc/self/mem"])
def test_a_named_bundle_that_cannot_be_read_is_an_error(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match=r"the CA bundle .* cannot be read"):
        detect(ca_bundle=tmp_path / path)


@pytest.mark.parametrize(
    "name", ["PIP_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "HTTP_PROXY", "https_proxy"]
)
@pytest.mark.parametrize("address", ["http://me:hunter2@[", "https://[::1/simple", "https://me:hunter2\u2100@h/"])
def test_a_variable_that_holds_no_address_is_named_without_its_value(name: str, address: str) -> None:
    with pytest.raises(UsageError, match=f"(?i)^{name} holds no address of a server") as caught:
        detect({name: address})
    assert "hunter2" not in str(caught.value)


def test_unreadable_settings_of_other_programs_never_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    environ = {"SSL_CERT_FILE": "/dev/zero", "PIP_CERT": str(tmp_path / "pipe"), "GOENV": str(tmp_path / "pipe")}
    assert detect(environ, config=tmp_path / "pipe") == detect()


def test_a_variable_that_names_a_missing_bundle_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "there.pem").write_bytes(PEM)
    environ = {"SSL_CERT_FILE": "/does/not/exist", "PIP_CERT": str(tmp_path / "there.pem")}
    assert detect(environ).certificates == PEM


def test_without_certificates_pip_gets_no_bundle() -> None:
    assert b"cert" not in detect().files()["pip.conf"]


def test_the_index_of_a_configuration_file_reaches_pip_and_uv(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://mirror.example/simple\nextra-index-url =\n  https://a.example/\n")
    files = detect(config=config).files()
    assert b"index-url = https://mirror.example/simple" in files["pip.conf"]
    assert b'index-url = "https://mirror.example/simple"' in files["uv.toml"]
    assert b'extra-index-url = ["https://a.example/"]' in files["uv.toml"]


def test_the_environment_wins_over_the_configuration_file(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://file.example/simple\n")
    site = detect({"PIP_INDEX_URL": "https://environment.example/simple"}, config=config)
    assert site.index["index-url"] == "https://environment.example/simple"


def test_a_folder_of_this_host_is_not_a_package_source_for_a_build() -> None:
    site = detect({"PIP_FIND_LINKS": "/opt/wheels https://wheels.example/"})
    assert site.index["find-links"] == "https://wheels.example/"
    assert "find-links" not in detect({"PIP_FIND_LINKS": "/opt/wheels"}).index


def test_a_password_of_an_index_stays_out_of_images_unless_it_is_requested() -> None:
    environ = {"PIP_INDEX_URL": "https://user:secret@index.example/simple"}
    site = detect(environ)
    assert site.index["index-url"] == "https://index.example/simple"
    wanted = detect({**environ, "KAAPANA_HARNESS_INDEX_CREDENTIALS": "1"})
    assert b"user:secret@" in wanted.files()["pip.conf"]
    assert "secret" not in repr(wanted)


def test_proxies_are_passed_in_both_spellings_and_never_enter_an_image() -> None:
    site = detect({"https_proxy": "http://u:secret@proxy.example:3128"})
    assert site.proxies["HTTPS_PROXY"] == site.proxies["https_proxy"] == "http://u:secret@proxy.example:3128"
    assert not any(b"proxy.example" in content for content in site.files().values())
    assert "secret" not in repr(site)
    assert site.digest() == detect().digest()


@pytest.mark.parametrize(
    ("environ", "network"),
    [
        ({"HTTP_PROXY": "http://127.0.0.1:3128"}, "host"),
        ({"HTTP_PROXY": "localhost:3128"}, "host"),
        ({"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "localhost"}, None),
        ({"KAAPANA_HARNESS_BUILD_NETWORK": "builds"}, "builds"),
        ({}, None),
    ],
)
def test_a_proxy_on_the_loopback_address_is_reached_over_the_network_of_the_host(
    environ: dict[str, str], network: str | None
) -> None:
    assert detect(environ).network_mode == network


def test_the_settings_of_go_come_from_its_file_and_its_environment(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("GOPROXY=https://modules.example\nGONOSUMDB=*\n")
    site = detect({"GOENV": str(tmp_path / "env"), "GOPROXY": "https://other.example"})
    assert dict(site.go) == {"GOPROXY": "https://other.example", "GONOSUMDB": "*"}


def test_new_certificates_change_the_digest(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(PEM)
    assert detect(ca_bundle=tmp_path / "a.pem").digest() != detect().digest()


def test_a_private_key_beside_certificates_enters_no_image(tmp_path: Path) -> None:
    key = b"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
    (tmp_path / "both.pem").write_bytes(PEM + key + b"a note\n" + PEM)
    files = detect(ca_bundle=tmp_path / "both.pem").files()
    assert files["ca.pem"] == PEM + PEM
    assert detect({"SSL_CERT_FILE": str(tmp_path / "both.pem")}).certificates == PEM + PEM


def test_passwords_of_mirrors_stay_out_of_images_unless_they_are_requested() -> None:
    environ = {
        "GOPROXY": "https://ada:secret@modules.example/go,https://ada:secret@other.example|direct",
        "KAAPANA_HARNESS_APT_MIRROR": "http://ada:secret@mirror.example/debian",
    }
    site = detect(environ)
    assert site.go["GOPROXY"] == "https://modules.example/go,https://other.example|direct"
    assert site.files()["apt-mirror"] == b"http://mirror.example/debian"
    # the programs of this machine use the whole address
    assert site.apt_mirror == environ["KAAPANA_HARNESS_APT_MIRROR"]
    wanted = detect({**environ, "KAAPANA_HARNESS_INDEX_CREDENTIALS": "1"})
    assert wanted.go["GOPROXY"] == environ["GOPROXY"]
    assert wanted.files()["apt-mirror"] == environ["KAAPANA_HARNESS_APT_MIRROR"].encode()


def test_the_base_system_does_not_get_the_password_of_its_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc" / "apt").mkdir(parents=True)

    def run(command: list[str], *_: object) -> None:
        [hook] = [word.partition("=")[2] for word in command if word.startswith("--customize-hook=")]
        subprocess.run(["sh", "-c", hook, "hook", str(tmp_path)], check=True)
        assert command[-1] == "http://ada:secret@mirror.example/debian"
        raise ImageError("enough")

    monkeypatch.setattr(seeds, "run_program", run)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    site = detect({"KAAPANA_HARNESS_APT_MIRROR": "http://ada:secret@mirror.example/debian"})
    with pytest.raises(ImageError, match="enough"):
        seeds.make_debian("x:1", timeout_s=60, site=site, on_line=print)
    assert (tmp_path / "etc/apt/sources.list").read_text() == "deb http://mirror.example/debian bookworm main\n"


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("http://ada:secret@proxy.example:3128", True),
        ("ada:secret@proxy.example:3128", True),
        ("https://modules.example,https://ada:secret@other.example", True),
        ("http://proxy.example:3128", False),
        ("proxy.example:3128", False),
        ("https://modules.example/a/b@v1,direct", False),
        ("localhost,.example", False),
    ],
)
def test_an_address_with_a_user_part_is_secret(address: str, secret: bool) -> None:
    assert has_password(address) is secret


def test_passwords_of_addresses_are_hidden_in_what_is_printed() -> None:
    detect({"HTTPS_PROXY": "http://ada:Corr%40ct-horse@proxy.example:3128", "GOPROXY": "https://a:lovelace-1@m,direct"})
    shown = str(ImageError("no", last_seen="http://ada:Corr%40ct-horse@proxy.example:3128 Corr@ct-horse https://a:b@c"))
    assert "horse" not in shown
    assert "proxy.example:3128" in shown
    assert "https://a:b@c" in shown


def test_proxies_of_dockers_configuration_reach_builds_after_those_of_the_environment(tmp_path: Path) -> None:
    proxies = {"httpProxy": "http://ada:secret-1@one:1", "httpsProxy": "http://two:2", "noProxy": ".site", "other": 1}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": proxies}}))
    environ = {"DOCKER_CONFIG": str(tmp_path)}
    site = detect(environ)
    assert site.proxies["http_proxy"] == "http://ada:secret-1@one:1"
    assert site.proxies["NO_PROXY"] == ".site"
    assert site.secret_proxies == ("HTTP_PROXY", "http_proxy")
    assert site.docker_proxies
    assert detect({**environ, "HTTPS_PROXY": "http://three:3"}).proxies["https_proxy"] == "http://three:3"


def test_proxies_of_one_engine_go_before_those_of_all(tmp_path: Path) -> None:
    proxies = {"default": {"httpProxy": "http://all:1"}, "unix:///run/one.sock": {"httpProxy": "http://one:1"}}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": proxies}))
    for host, proxy in (("unix:///run/one.sock", "http://one:1"), ("unix:///run/other.sock", "http://all:1")):
        site = SiteSettings.detect(
            environ={"DOCKER_CONFIG": str(tmp_path), "DOCKER_HOST": host}, config_files=(), bundles=()
        )
        assert (site.proxies["HTTP_PROXY"], site.docker_proxies) == (proxy, True)


@pytest.mark.parametrize("text", ["[", "[]", "{}", '{"proxies": 1}', '{"proxies": {"default": {"httpProxy": 1}}}'])
def test_a_configuration_of_docker_without_proxies_gives_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    site = detect({"DOCKER_CONFIG": str(tmp_path)})
    assert (dict(site.proxies), site.docker_proxies) == ({}, False)
