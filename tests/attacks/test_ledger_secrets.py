"""No generated credential is written or printed, in any place and form."""

from __future__ import annotations

import base64
import io
import json
import logging
import secrets
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness.wire.receipts import ReceivedObject
from harness.wire.scrape_targets import ScrapedTarget

sys.path.insert(0, str(Path(__file__).parents[1] / "run"))
from fake_platform import FakeEnvironment, FakeProject, fake_deploy, fake_source, outcome, run_request, task

from harness import errors
from harness.api import Kaapana
from harness.cli.verbs import cli
from harness.common.redaction import REDACTOR, Redactor, redact
from harness.errors import EngineError
from harness.findings import Finding
from harness.findings.installing import EXTENSION_NOTE
from harness.incluster.services.identity.jwt import Signer
from harness.platform.credentials import Credentials
from harness.run.execute import execute
from harness.run.follow import Lines
from harness.run.results import Cause
from tests.attacks.examples import EXAMPLES

ROOT = Path(__file__).parents[2]
_GENERATED = (
    "token",
    "oidc_client_secret",
    "system_user_password",
    "user_password",
    "minio_password",
    "registry_password",
    "registry_push_password",
)
_ISSUER = "http://keycloak-external-service.admin.svc:80/auth/realms/kaapana"


def _encoded(text: str, before: int) -> str:
    """What base64 makes of a text with so many characters before it."""
    return base64.b64encode(b"x" * before + text.encode() + b" and more").decode()


_FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 at the second place": lambda text: _encoded(text, 1),
    "base64 at the third place": lambda text: _encoded(text, 2),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "JSON": lambda text: json.dumps({"password": text}),
    "a URL": lambda text: f"http://user:{quote(text, safe='')}@minio:9000/",
    "an environment": lambda text: f"A=1\nMINIOPASSWORD={text}\nB=2",
    "a cut line": lambda text: "x" * 100 + text[:20],
    "the rest of a cut line": lambda text: text[12:] + "x" * 100,
}


@pytest.fixture
def credentials() -> Iterator[Credentials]:
    known = dict(vars(REDACTOR))
    yield Credentials.random()
    vars(REDACTOR).update(known)


def _visible(secret: str, *texts: str) -> list[str]:
    """What of a secret is in texts: it, its base64, or a part of 15 characters."""
    parts = [secret[at : at + 15] for at in range(len(secret) - 14)]
    for before in range(3):
        inner = _encoded(secret, before)[4:40]
        parts += [inner[at : at + 15] for at in range(len(inner) - 14)]
    return [part for part in parts if any(part in text for text in texts)]


def _texts_of(folder: Path) -> list[str]:
    """Contents and names of all files."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [path.read_bytes().decode("latin-1") for path in paths] + [str(path.relative_to(folder)) for path in paths]


def _planted(text: str) -> FakeEnvironment:
    """A failed run that has a text in everything that a run may leave."""
    environment = FakeEnvironment(
        [
            task("first", operator=f"Operator{text}"),
            task(f"named-{text}"),
            task(
                "broken",
                "failed",
                outcome=outcome(
                    "Error",
                    message=f"the password is {text}",
                    exit_code=1,
                    image=f"localhost:5000/x:{text}",
                    log_tail=["Traceback", f"ValueError: {'x' * 280} {text}"],
                ),
            ),
        ],
        "failed",
    )
    environment.airflow.logs["broken"] = f"[2026-01-01T00:00:00] INFO - {text}\nnotice no-effect: {text}\n"
    environment.services.received = [
        ReceivedObject(
            "1",
            sop_class=f"1.2.{text}",
            sop_instance_uid=f"1.3.{text}",
            series_instance_uid=f"1.4.{text}",
            calling_ae=text,
            called_ae=f"kp-{text}",
            peer="10.1.0.7:1",
        )
    ]
    environment.services.files["1"] = b"\0" * 128 + b"DICM" + text.encode()
    environment.object_store.later = {
        f"staticwebsiteresults/{text}.html": (b"<p>" + text.encode() + b"</p>", "text/html"),
        "notes.txt": (b"\xff\0" + text.encode(), f"text/plain; name={text}"),
    }
    environment.services.metrics = [
        ScrapedTarget(
            task="otsus-method-241124/first",
            labels={"kubernetes_pod_uid": "u", "note": text},
            answered_otherwise=True,
            attempts=3,
            error=f"HTTP 500 {text}",
            series=[{"metric": {"__name__": "loss", "note": text}, "values": [[1, "2"]]}],
        )
    ]
    return environment


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("name", _GENERATED)
def test_no_credential_is_in_the_evidence_of_a_run_nor_in_what_is_printed_about_it(
    tmp_path: Path, credentials: Credentials, name: str, form: str
) -> None:
    secret = getattr(credentials, name)
    text = _FORMS[form](secret)
    environment = _planted(text)
    environment.services.received.clear()
    seen = io.StringIO()
    directory = tmp_path / "run"
    request = run_request(
        "otsus-method",
        directory,
        findings=[EXTENSION_NOTE.report(f"at {text}", f"found {text}", fix=f"use {text}")],
    )
    # what was received counts from after the beginning
    environment.services.settle = lambda _: environment.services.received.extend(received)  # type: ignore[method-assign]
    received = _planted(text).services.received
    run = execute(environment, FakeProject(), request, listener=Lines(seen))  # type: ignore[arg-type]
    assert (len(run.sent), len(run.objects), len(run.tasks)) == (1, 2, 3)
    assert run.cause is not None
    printed = [str(run.cause), repr(run), repr(run.succeeded), *map(str, run.findings), *map(repr, run.objects)]
    assert _visible(secret, *_texts_of(directory), seen.getvalue(), *printed, repr(run.tasks), repr(run.sent)) == []
    assert "***" in (directory / "report.html").read_text()
    if form in {"as it is", "JSON", "an environment", "base64"}:
        found = [item for item in run.findings if item.rule == "credential-in-output"]
        assert len(found) == 3
    # as long as it was: the structure around it stays whole
    assert (directory / run.objects[0].path).stat().st_size == len(environment.object_store.later["notes.txt"][0])


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("name", _GENERATED)
def test_no_credential_is_in_an_error_a_cause_or_a_finding(credentials: Credentials, name: str, form: str) -> None:
    secret = getattr(credentials, name)
    text = _FORMS[form](secret)
    error = EngineError(text, last_seen=text, evidence=text, fix=text)
    cause, finding = Cause("t", text, text, text), Finding("r", "error", text, text, text)
    shown = [str(error), repr(error), *error.args, str(cause), repr(cause), str(finding), repr(finding)]
    assert _visible(secret, *shown) == []
    assert all("***" in part for part in shown)


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_every_error_of_the_harness_hides_credentials(credentials: Credentials, kind: type[Exception]) -> None:
    if issubclass(kind, errors.HarnessError):
        assert credentials.minio_password not in str(kind(f"no {credentials.minio_password}"))


def test_the_command_line_prints_no_credential_wherever_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, credentials: Credentials
) -> None:
    secret = credentials.minio_password
    environment = _planted(secret)
    monkeypatch.setattr("harness.cli.verbs._environment", lambda settings: environment)
    monkeypatch.setattr("harness.platform.install.deploy", fake_deploy)
    monkeypatch.setattr("harness.extension.read", fake_source)
    result = CliRunner().invoke(cli, ["run", "ext", "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "***" in result.output
    assert _visible(secret, result.output, *_texts_of(tmp_path)) == []

    def refuse(settings: object) -> object:
        logging.getLogger("harness.x").warning("a warning about %s", secret)
        sys.stderr.write(f"a library prints {secret}\n")
        raise EngineError(f"no {secret}")

    monkeypatch.setattr("harness.cli.verbs._environment", refuse)
    result = CliRunner().invoke(cli, ["up"])
    assert result.exit_code == 3
    assert "a library prints ***" in result.output
    assert _visible(secret, result.output) == []


_INNER = """
import sys
sys.path.insert(0, {path!r})
import logging, warnings
import pytest
from fake_platform import FakeEnvironment, fake_deploy
import harness.platform.install
from harness.platform.credentials import Credentials
harness.platform.install.deploy = fake_deploy
KEYS = Credentials.random().as_mapping() | {{"minio_password": {secret!r}}}
KEYS = Credentials.from_mapping(KEYS)

class Hook:
    @pytest.hookimpl
    def pytest_kaapana_environment(self, settings, config):
        environment = FakeEnvironment()
        environment.credentials = KEYS
        return environment

def pytest_configure(config):
    config.pluginmanager.register(Hook())
"""


def test_pytest_shows_no_credential_in_failures_and_captured_output(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = secrets.token_hex(16)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest(_INNER.format(path=str(ROOT / "tests/run"), secret=secret))
    pytester.makepyfile(
        """
        import logging, sys
        from harness.errors import UsageError

        def test_prints(kaapana):
            print("out", kaapana.environment.credentials.minio_password)
            sys.stderr.write("err " + kaapana.environment.credentials.minio_password)
            logging.getLogger("x").warning("log %s", kaapana.environment.credentials.minio_password)

        def test_asserts(kaapana):
            test_prints(kaapana)
            word = kaapana.environment.credentials.minio_password
            assert word == "x"

        def test_raises(kaapana):
            raise UsageError(kaapana.environment.credentials.minio_password)

        def test_crashes(kaapana):
            raise RuntimeError(kaapana.environment.credentials.minio_password)
        """
    )
    installed = any(entry.value == "harness.plugin" for entry in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "harness.plugin")
    result = pytester.runpytest_subprocess(
        *plugin, "-rA", "--showlocals", "--junitxml=junit.xml", "--kaapana-report=evidence"
    )
    result.assert_outcomes(passed=1, failed=3)
    assert _visible(secret, result.stdout.str(), result.stderr.str(), *_texts_of(pytester.path / "evidence")) == []
    assert _visible(secret, (pytester.path / "junit.xml").read_text()) == []
    assert "***" in result.stdout.str()


def test_a_listener_of_the_author_hears_no_credential(tmp_path: Path, credentials: Credentials) -> None:
    heard: list[str] = []

    class Listener:
        def task(self, task_id: str, state: str, seconds: float | None, attempt: int) -> None:
            heard.append(task_id)

        def tick(self, running: list[str]) -> None:
            heard.extend(running)

        def say(self, text: str) -> None:
            heard.append(text)

    from harness.api import InstalledExtension

    environment = _planted(credentials.token)
    kaapana = Kaapana(environment, FakeProject(), evidence=tmp_path, listener=Listener())  # type: ignore[arg-type]
    extension = InstalledExtension(kaapana, (fake_deploy(environment, "x", None),))
    extension.run()
    assert "named-***" in heard
    assert _visible(credentials.token, *heard) == []


def test_tokens_of_the_platform_and_of_its_cluster_are_known_by_their_shape() -> None:
    signer = Signer()
    hidden = [
        signer.sign({"sub": "x" * 40, "iss": _ISSUER, "typ": "Bearer"}),
        signer.sign({"iss": "https://kubernetes.default.svc", "kubernetes.io": {"namespace": "services"}}),
        signer.sign({"accessKey": "K" * 20, "exp": 1}),
        "kh-account.project-t1.default." + secrets.token_hex(20),
    ]
    for token in hidden:
        shown = redact(f"Authorization: Bearer {token}, and more")
        assert _visible(token.rsplit(".", 1)[1], shown) == []
        assert shown.endswith(", and more")
        content = b"\0" + token.encode() + b"\n" + b"x" * 10_000
        chunks = (content[at : at + 97] for at in range(0, len(content), 97))
        copied = b"".join(Redactor().stream(chunks))
        assert token.rsplit(".", 1)[1].encode() not in copied
        assert len(copied) == len(content)
    # without its signature a token opens nothing, but its claims are the user's
    assert _ISSUER.encode() not in base64.b64decode(redact(hidden[0][:400]) + "==", validate=False)
    theirs = signer.sign({"iss": "https://login.example.org", "sub": "me"})
    assert redact(theirs) == theirs


@pytest.mark.parametrize("before", ["", "_", "__"])
def test_a_token_is_hidden_whole_although_it_holds_the_well_known_beginning_of_a_login(before: str) -> None:
    hidden = Redactor()
    hidden.add_login("kaapanaminio", secrets.token_hex(16))
    token = Signer().sign({"iss": _ISSUER, "name": f"{before}kaapanaminio:"})
    assert hidden.text(f"token: {token} .") == "token: *** ."


@pytest.mark.parametrize("password", ["p\"a's <w>&\\/ ö\n and more", "s3cret", "abcdefgh", "{}[]()*+?", "ü" * 9])
def test_a_chosen_password_is_hidden_in_every_notation(password: str) -> None:
    hidden = Redactor()
    hidden.add_given_login("me", password)
    basic = base64.b64encode(f"me:{password}".encode()).decode()
    for text in (
        f"password={password} .",
        json.dumps({"auth": password}),
        json.dumps({"auth": password}, ensure_ascii=False),
        quote(password, safe=""),
        quote(password),
        repr([password]),
        f"Authorization: Basic {basic}",
        json.dumps({"auth": basic}),
    ):
        shown = hidden.text(text)
        assert "***" in shown, text
        assert password not in shown
        assert basic not in shown
    assert hidden.text("an abcdefg and s3crets and a me") == "an abcdefg and s3crets and a me"


def test_a_word_of_three_letters_hides_nothing() -> None:
    hidden = Redactor()
    hidden.add_given_login("me", "abc")
    assert hidden.text("abc") == "abc"


@pytest.mark.parametrize("form", _FORMS)
def test_names_of_users_stay_readable(credentials: Credentials, form: str) -> None:
    for name in (credentials.minio_user, credentials.registry_user, credentials.registry_push_user):
        for text in (name, f"{name}:", f"{name}:{name}:and so on"):
            shown = _FORMS[form](text)
            assert redact(shown) == shown


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("username", ["kaapana-harness", "kaapanaminio", "me"])
def test_the_basic_form_of_a_generated_login_is_hidden_with_all_that_depends_on_its_password(
    username: str, form: str
) -> None:
    password = secrets.token_urlsafe(24)
    hidden = Redactor()
    hidden.add_login(username, password)
    basic = base64.b64encode(f"{username}:{password}".encode()).decode()
    shown = hidden.text(f"a {_FORMS[form](basic)} b")
    assert _visible(basic[-40:].rstrip("="), shown) == []


def test_the_words_of_a_given_token_hide_nothing_else() -> None:
    hidden = Redactor()
    hidden.add_given("identity-token-of-the-user")
    assert hidden.text("an identity-token-of-the-user") == "an ***"
    words = b"identity: dentity- y-token- token-of -of-the- the-user"
    assert hidden.text(words.decode()) == words.decode()
    found: list[int] = []
    assert b"".join(hidden.stream([words], lambda: found.append(1))) == words
    assert found == []


def test_the_name_in_a_chosen_login_hides_nothing_else() -> None:
    hidden = Redactor()
    hidden.add_given_login("administrator", "correct horse")
    other = base64.b64encode(b"administrator:nothing of it").decode()
    assert hidden.text(other) == other


def test_the_password_of_a_removed_project_stays_hidden_while_what_it_printed_may_be_shown() -> None:
    hidden = Redactor()
    passwords = [secrets.token_hex(16) for _ in range(102)]
    hidden.add(*passwords)
    for password in passwords[:-1]:
        hidden.retire(password)
    # the first is long gone; a session of thousands of projects must not get slower
    assert hidden.text(passwords[0]) == passwords[0]
    assert {hidden.text(password) for password in passwords[1:]} == {"***"}


_alphabet = st.sampled_from("abcXYZ019-_+/= \n{\"'.")
_SECRET = "Zq7Lw2Xn9Vb4Tk1Rm8Jp5Hd3Gf6Cy0Ae"


@EXAMPLES
@given(before=st.text(_alphabet, max_size=60), after=st.text(_alphabet, max_size=60), form=st.sampled_from([*_FORMS]))
def test_no_neighbours_of_a_credential_keep_it_from_being_found(before: str, after: str, form: str) -> None:
    hidden = Redactor()
    hidden.add(_SECRET)
    assert _visible(_SECRET, hidden.text(before + _FORMS[form](_SECRET) + after)) == []


@EXAMPLES
@given(
    before=st.binary(max_size=200),
    after=st.binary(max_size=200),
    size=st.sampled_from([1 << 16, (1 << 16) + 7, 1 << 17]),
    at=st.integers(-40, 40),
)
def test_no_border_of_a_chunk_keeps_a_credential_from_being_overwritten(
    before: bytes, after: bytes, size: int, at: int
) -> None:
    hidden = Redactor()
    hidden.add(_SECRET)
    # it lies across the border, or beside it
    content = b" " * (size + at - len(before)) + before + _SECRET.encode() + after + b" " * size
    found: list[int] = []
    copied = b"".join(
        hidden.stream((content[at : at + size] for at in range(0, len(content), size)), lambda: found.append(1))
    )
    assert _visible(_SECRET, copied.decode("latin-1")) == []
    assert len(copied) == len(content)
    assert found
    assert copied == content.replace(_SECRET.encode(), b"*" * len(_SECRET))


@EXAMPLES
@given(text=st.text())
def test_a_text_without_credentials_stays_as_it_is(text: str) -> None:
    hidden = Redactor()
    hidden.add(_SECRET)
    hidden.add_given_login("me", "correct horse")
    assert hidden.text(text) == text
