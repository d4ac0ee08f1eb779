"""The page as people use it: what happens appears, keys work, and untrusted names stay text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page.fake_environment import DAG, FakeEnvironment, job, receipt, task
from tests.report.browser import started

HOSTILE = '<img src=x onerror=alert(1)><script>alert(2)</script>"\u202e'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # no longer than for this module: its loop would be in the way of tests that run one of their own
    with started() as found:
        yield found


class Opened:
    """The page in the browser, and what went wrong in it."""

    def __init__(self, browser: Any, address: str, **how: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1180, "height": 900}, **how})
        self.page = self.context.new_page()
        self.page.set_default_timeout(90_000)
        self.wrong: list[str] = []
        self.asked: set[str] = set()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.add(request.url.partition("://")[2].partition("/")[0]))
        self.page.goto(address)
        self.wait_until_live()

    def _note(self, message: Any) -> None:
        # other programs may change networks of containers in between: the page asks again
        if message.type == "error" and "ERR_NETWORK_CHANGED" not in message.text:
            self.wrong.append(message.text)

    def wait_until_live(self) -> None:
        self.page.locator("#live", has_text="live").wait_for()

    def table(self, part: str) -> Any:
        return self.page.locator(f"#{part}")


@pytest.fixture
def opened(browser: Any, served: str) -> Iterator[Callable[..., Opened]]:
    pages: list[Opened] = []

    def make(**how: Any) -> Opened:
        pages.append(Opened(browser, served, **how))
        return pages[-1]

    yield make
    for one in pages:
        one.context.close()


def test_the_address_opens_the_page_without_anything_wrong(opened: Callable[..., Opened], served: str) -> None:
    one = opened()
    one.table("projects").get_by_text("project-t1").wait_for()
    one.table("runs").get_by_role("link", name=DAG).wait_for()
    assert "token" not in one.page.url
    assert one.wrong == []
    assert one.asked == {served.partition("://")[2].partition("/")[0]}


def test_a_run_that_starts_and_what_is_received_appear_by_themselves(
    opened: Callable[..., Opened], environment: FakeEnvironment
) -> None:
    one = opened()
    one.table("received").get_by_text("no object yet").wait_for()
    environment.services.received = [receipt(1, b"")]
    environment.services.files["r1"] = b""
    environment.services.started = [job(dag_id="second-dag", run_id="", status="queued"), job()]
    one.table("received").get_by_text("1 object").wait_for()
    one.table("runs").get_by_text("second-dag").wait_for()


def test_the_states_of_tasks_change_while_one_looks(
    opened: Callable[..., Opened], environment: FakeEnvironment
) -> None:
    one = opened()
    one.table("runs").get_by_role("link", name=DAG).press("Enter")
    one.wait_until_live()
    row = one.page.locator(f'tr[data-task="{DAG}"]')
    row.get_by_text("running").wait_for()
    environment.airflow.change(DAG, "failed", end="2026-11-24T20:00:09+00:00")
    row.get_by_text("failed").wait_for()
    assert one.wrong == []


def test_a_log_is_opened_by_key_and_grows(opened: Callable[..., Opened], environment: FakeEnvironment) -> None:
    one = opened()
    environment.airflow.logs[DAG] = f"first {HOSTILE}\n"
    one.table("runs").get_by_role("link", name=DAG).press("Enter")
    one.wait_until_live()
    one.page.get_by_role("button", name=f"Log of {DAG}").press("Enter")
    text = one.page.locator("#log-text")
    text.get_by_text("first").wait_for()
    environment.airflow.logs[DAG] += "second\n"
    one.page.locator("#log-text", has_text="second").wait_for()
    assert text.text_content() == f"first {HOSTILE}\nsecond\n"
    environment.airflow.change(DAG, "success", end="2026-11-24T20:00:09+00:00")
    one.page.locator("#log-state", has_text="ended").wait_for()
    assert one.wrong == []


def test_the_focus_stays_where_it_was_when_a_part_is_replaced(
    opened: Callable[..., Opened], environment: FakeEnvironment
) -> None:
    one = opened()
    one.table("runs").get_by_role("link", name=DAG).focus()
    environment.services.started = [job(dag_id="second-dag", run_id="", status="queued"), job()]
    one.table("runs").get_by_text("second-dag").wait_for()
    assert one.page.evaluate("document.activeElement.textContent") == DAG


def test_the_keyboard_alone_reaches_the_content(opened: Callable[..., Opened]) -> None:
    one = opened()
    one.page.keyboard.press("Tab")
    assert one.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    one.page.keyboard.press("Enter")
    assert one.page.evaluate("document.activeElement.id") == "main"


def test_a_result_opens_in_a_frame_that_can_do_nothing(
    opened: Callable[..., Opened], environment: FakeEnvironment
) -> None:
    document = b"<h1>Volume</h1><script>parent.alert(1)</script><img src='http://127.0.0.1:9/x'>"
    environment.services.pages = {"staticwebsiteresults/report.html": document}
    one = opened()
    link = one.table("results").get_by_role("link")
    link.first.press("Enter")
    frame = one.page.frame_locator("iframe.result")
    frame.get_by_text("Volume").wait_for()
    assert one.page.locator("iframe.result").get_attribute("sandbox") == ""
    # it stays when the list changes
    environment.services.pages["staticwebsiteresults/second.html"] = b""
    one.table("results").get_by_text("second.html").wait_for()
    frame.get_by_text("Volume").wait_for()
    link.first.press("Enter")
    one.page.locator("iframe.result").wait_for(state="detached")
    assert one.wrong == []
    assert len(one.asked) == 1


def test_the_loss_and_the_return_of_an_environment_are_reported(
    opened: Callable[..., Opened], environment: FakeEnvironment
) -> None:
    one = opened()
    environment.services.lost = "Keycloak does not answer"
    one.page.get_by_role("alert").get_by_text("the environment fake0001 has been ended").wait_for()
    environment.services.lost = ""
    one.page.get_by_role("alert").wait_for(state="hidden")
    one.wait_until_live()


def test_untrusted_names_stay_text(opened: Callable[..., Opened], environment: FakeEnvironment) -> None:
    environment.airflow.tasks = [task(HOSTILE, "running"), task("x" * 10_000, "running")]
    environment.services.started = [job(project=HOSTILE), job(dag_id="x" * 10_000)]
    environment.services.received = [receipt(1, b"", calling_ae=HOSTILE, error=HOSTILE)]
    environment.services.files["r1"] = b""
    one = opened()
    one.table("received").get_by_text("onerror=alert(1)").first.wait_for()
    assert one.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    one.table("runs").get_by_role("link", name=DAG, exact=True).click()
    one.wait_until_live()
    one.page.locator("tr[data-task^='<img']").get_by_text("onerror").first.wait_for()
    assert one.page.locator("#main img").count() == 0
    assert [text for text in one.wrong if "404" not in text] == []


@pytest.mark.parametrize(("scheme", "dark"), [("dark", True), ("light", False)])
def test_the_page_is_readable_in_the_dark(opened: Callable[..., Opened], scheme: str, dark: bool) -> None:
    one = opened(color_scheme=scheme)
    colours = one.page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    paper, ink = (sum(int(part) for part in colour[4:-1].split(",")) for colour in colours)
    assert (paper < ink) is dark


def test_an_address_that_was_used_says_what_to_do(opened: Callable[..., Opened], browser: Any, served: str) -> None:
    opened()
    context = browser.new_context()
    page = context.new_page()
    page.goto(served)
    assert "Start `kaapana-harness page` again" in page.text_content("body")
    context.close()


def test_a_page_without_its_server_reports_it(browser: Any, environment: Any, tmp_path: Path) -> None:
    from harness.page.server import open_page

    with open_page(environment, tmp_path) as address:
        one = Opened(browser, address)
    one.page.locator("#live", has_text="no connection").wait_for()
    one.context.close()


FORM = {
    "data_form": {"type": "object", "properties": {"dataset_name": {"type": "string"}}},
    "workflow_form": {
        "type": "object",
        "properties": {
            "bins": {"type": "integer", "title": "Bins", "default": 128, "minimum": 2},
            "kind": {"type": "string", "title": "Kind", "oneOf": [{"const": "a", "title": HOSTILE}]},
            "smooth": {"type": "boolean", "title": "Smooth", "default": True},
            "note": {"type": "string", "title": HOSTILE, "description": HOSTILE},
            "parts": {
                "type": "array",
                "title": "Parts",
                "items": {"type": "string", "enum": ["p", "q"]},
                "default": ["p"],
            },
        },
    },
}


@pytest.fixture
def form(opened: Callable[..., Opened], environment: FakeEnvironment) -> Opened:
    environment.services.forms, environment.services.started = FORM, []
    one = opened()
    one.table("extensions").get_by_role("link", name=f"Start a run of {DAG}").press("Enter")
    one.page.locator("button[type=submit]:enabled").wait_for()
    return one


def test_a_form_is_filled_in_by_keyboard_and_starts_a_run_that_is_then_shown(
    form: Opened, environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    form.page.get_by_label("Bins").focus()
    form.page.keyboard.press("Control+A")
    form.page.keyboard.type("64")
    form.page.get_by_label("Kind").select_option(index=1)
    form.page.get_by_label("Smooth").press("Space")
    form.page.get_by_label("q", exact=True).press("Space")
    form.page.get_by_role("button", name="Start the run").press("Enter")
    form.page.wait_for_url("**/run?**")
    form.wait_until_live()
    assert form.wrong == []
    (body,) = environment.services.posted
    assert body["conf_data"]["workflow_form"] == {"bins": 64, "kind": "a", "smooth": False, "parts": ["p", "q"]}
    row = form.page.locator(f'tr[data-task="{DAG}"]')
    row.get_by_text("running").wait_for()
    environment.airflow.change(DAG, "success")
    row.get_by_text("success").wait_for()
    # the run ends, and its evidence is written a while later
    written = threading.Event()
    monkeypatch.setattr(environment.services, "settle", lambda timeout_s: written.wait(timeout_s))
    environment.airflow.end("success")
    form.page.locator("[data-part] > p", has_text="success").wait_for()
    written.set()
    link = form.page.get_by_role("link", name="Open the report")
    link.click()
    form.page.get_by_text("Run report").wait_for()
    assert form.wrong == []


def test_a_form_that_is_left_as_it_is_is_submitted_as_the_platforms_page_would(
    form: Opened, environment: FakeEnvironment
) -> None:
    form.page.get_by_role("button", name="Start the run").click()
    form.page.wait_for_url("**/run?**")
    (body,) = environment.services.posted
    assert body["conf_data"] == {"workflow_form": {"bins": 128, "smooth": True, "parts": ["p"]}}


def test_a_value_that_the_platforms_page_would_refuse_is_refused_with_words_that_are_read_out(
    form: Opened, environment: FakeEnvironment
) -> None:
    form.page.get_by_label("Bins").fill("1")
    form.page.get_by_role("button", name="Start the run").click()
    refusal = form.page.get_by_role("alert").filter(has_text="It was not started")
    refusal.wait_for()
    assert "bins" in refusal.inner_text()
    assert form.page.evaluate("document.activeElement.id") == "refusal"
    assert environment.services.posted == []
    # what was entered is still there
    assert form.page.get_by_label("Bins").input_value() == "1"


def test_texts_of_a_form_stay_text(form: Opened) -> None:
    shown = form.page.locator("#fields").inner_text()
    assert shown.count("<img src=x onerror=alert(1)><script>alert(2)</script>") == 3
    assert "\u202e" not in shown
    assert form.page.locator("#fields img, #fields script").count() == 0
    assert form.wrong == []


def test_a_form_that_no_page_can_show_says_why(opened: Callable[..., Opened], environment: FakeEnvironment) -> None:
    environment.services.forms = {"workflow_form": {"type": "object", "properties": []}}
    one = opened()
    one.table("extensions").get_by_role("link", name=f"Start a run of {DAG}").click()
    one.page.get_by_role("alert").filter(has_text="properties").wait_for()
    assert one.page.locator("button[type=submit]").is_disabled()


def test_a_request_that_a_change_of_the_machines_networks_has_ended_is_made_again(
    opened: Callable[..., Opened], environment: FakeEnvironment
) -> None:
    one = opened()
    lost: list[str] = []

    def lose(route: Any) -> None:
        if lost:
            route.continue_()
        else:
            lost.append(route.request.url)
            route.abort("internetdisconnected")

    one.table("projects").get_by_text("project-t1").wait_for()
    one.page.route("**/parts/projects", lose)
    environment.services.names.append("t2")
    one.table("projects").get_by_text("project-t2").wait_for()
    assert len(lost) == 1
