"""Access to the page: the token, the cookie, the host name and the origin."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tests.page.conftest import Visitor

PATHS = ["/", "/parts/runs", "/events", "/assets/page.js", "/assets/page.css", "/evidence/x", "/nowhere", "/%00"]


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_everything_is_403(newcomer: Visitor, path: str) -> None:
    assert newcomer.get(path).status_code == 403
    assert newcomer.client.post(path).status_code == 403
    assert newcomer.get(f"{path}?token=wrong").status_code == 403
    assert newcomer.client.cookies.jar._cookies == {}  # type: ignore[attr-defined]


def test_the_token_is_exchanged_once_for_a_cookie_that_scripts_do_not_see(newcomer: Visitor) -> None:
    entered = newcomer.enter()
    (cookie,) = entered.headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert newcomer.get("/").status_code == 200
    again = httpx.get(newcomer.base + newcomer.path, trust_env=False)
    assert again.status_code == 403
    assert "each works once" in again.text
    # a visitor with the cookie keeps access
    assert newcomer.enter().status_code == 403
    assert newcomer.get("/").status_code == 200


def test_a_look_at_the_head_of_the_address_does_not_use_it_up(newcomer: Visitor) -> None:
    assert newcomer.client.head(newcomer.path).status_code == 403
    assert newcomer.enter().status_code == 200


@pytest.mark.parametrize("cookie", ["kaapana_page=1", "=", "\u00e4", "; ;", "a=b; a=c", "kaapana_page_00000000="])
def test_another_cookie_gives_no_access(newcomer: Visitor, cookie: str) -> None:
    answer = httpx.get(f"{newcomer.base}/", headers=[(b"cookie", cookie.encode())], trust_env=False)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
def test_a_foreign_host_name_is_refused(visitor: Visitor, host: str) -> None:
    port = urlsplit(visitor.base).port
    assert visitor.get("/", Host=host.format(port=port)).status_code == 403
    assert visitor.get("/", Host=f"localhost:{port}").status_code == 200


def test_two_names_in_one_request_are_refused(visitor: Visitor) -> None:
    port = urlsplit(visitor.base).port
    with socket.create_connection(("127.0.0.1", port or 0)) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {visitor.host}\r\nHost: evil.example\r\n\r\n".encode())
        assert b" 40" in connection.recv(100)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://{host}", "http://127.0.0.1:1"])
def test_a_request_of_another_site_is_refused(visitor: Visitor, origin: str) -> None:
    assert visitor.get("/", Origin=origin.format(host=visitor.host)).status_code == 403
    assert visitor.get("/", Origin=visitor.base).status_code == 200


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
def test_the_browser_itself_says_which_site_asks(visitor: Visitor, site: str, status: int) -> None:
    assert visitor.get("/", **{"Sec-Fetch-Site": site}).status_code == status


def test_a_link_from_another_site_opens_the_page_when_it_has_the_token(newcomer: Visitor) -> None:
    assert newcomer.client.get(newcomer.path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
    assert newcomer.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/", "/parts/runs", "/nowhere"])
def test_every_answer_forbids_inline_scripts_frames_of_others_and_guesses_of_types(visitor: Visitor, path: str) -> None:
    headers = visitor.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert (policy["script-src"], policy["style-src"]) == ("'self'", "'self'")
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_the_page_has_no_inline_script_or_style(visitor: Visitor) -> None:
    text = visitor.text("/")
    assert "<style" not in text
    assert " style=" not in text
    assert text.count("<script") == text.count('<script src="/assets/') > 0


def test_other_methods_are_refused(visitor: Visitor) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        assert visitor.client.request(method, "/").status_code == 403
    # a browser names the origin of what it posts
    assert visitor.client.post("/").status_code == 403
    assert visitor.client.post("/", headers={"Origin": visitor.base}).status_code == 405


def test_only_this_machine_reaches_the_port(served: str) -> None:
    assert urlsplit(served).hostname == "127.0.0.1"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", urlsplit(served).port or 0), timeout=5)
