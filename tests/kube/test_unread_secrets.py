"""A pull without its secret, which a node could not read in time, is not a refused login."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

import pytest

from harness.kube import Forbidden, KubeApi, NotFound
from harness.kube.troubles import Trouble
from harness.kube.unread_secrets import tries_again_with_secret
from harness.wire.pulls import PullProblem

IMAGE = "localhost:20866/models:0.6.0"
POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "1"},
    "spec": {"imagePullSecrets": [{"name": "registry-secret"}, {"name": "other"}]},
}
REFUSED = Trouble("main", IMAGE, "ErrImagePull", "failed to resolve reference: 401 Unauthorized")


class Api:
    """Secrets and events of a pod."""

    def __init__(self, *events: dict[str, Any], registry: str = "localhost:20866", closed: bool = False) -> None:
        auths = {registry: {"username": "u", "password": "p"}}
        self._secret = {"data": {".dockerconfigjson": base64.b64encode(json.dumps({"auths": auths}).encode()).decode()}}
        self._events = events
        self._closed = closed

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        assert (kind, namespace) == ("Secret", "n")
        if self._closed:
            raise Forbidden(403, "Forbidden", "secrets are not for you")
        if name != "registry-secret":
            raise NotFound(404, "NotFound", name)
        return self._secret

    def list(self, kind: str, namespace: str | None) -> list[dict[str, Any]]:
        assert (kind, namespace) == ("Event", "n")
        return list(self._events)


def event(reason: str, message: str = "", count: int = 1) -> dict[str, Any]:
    about = {"name": "p", "uid": "1"}
    return {"metadata": {}, "reason": reason, "message": message, "count": count, "involvedObject": about}


def unread(name: str, count: int = 1) -> dict[str, Any]:
    words = f"Unable to retrieve some image pull secrets ({name}); attempting to pull the image may not succeed."
    return event("FailedToRetrieveImagePullSecret", words, count)


def pulling(count: int = 1) -> dict[str, Any]:
    return event("Pulling", f'Pulling image "{IMAGE}"', count)


def tries_again(*events: dict[str, Any], trouble: Trouble = REFUSED, **how: Any) -> bool:
    return tries_again_with_secret(cast(KubeApi, Api(*events, **how)), POD, trouble)


def test_the_only_attempt_had_no_secret() -> None:
    assert tries_again(event("Scheduled"), unread("registry-secret"), pulling())


def test_events_of_the_attempt_are_awaited() -> None:
    assert tries_again(event("Scheduled"))


@pytest.mark.parametrize(
    ("events", "how"),
    [
        pytest.param([event("Scheduled"), pulling()], {}, id="the secret was read"),
        pytest.param([unread("registry-secret"), pulling(2)], {}, id="the second attempt had it"),
        pytest.param([unread("other", 2), pulling(2)], {}, id="another secret does not exist"),
        pytest.param(
            [unread("registry-secret"), pulling()], {"registry": "r.example"}, id="it is for another registry"
        ),
        pytest.param([unread("registry-secret"), pulling()], {"closed": True}, id="secrets cannot be read"),
        pytest.param([], {}, id="events cannot be read"),
    ],
)
def test_a_login_that_was_refused_is_not_tried_again(events: list[dict[str, Any]], how: dict[str, Any]) -> None:
    assert not tries_again(*events, **how)


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble("main", IMAGE, "ErrImagePull", "manifest unknown"),
        Trouble("main", IMAGE, "ErrImagePull", "unauthorized", PullProblem.UNAUTHORIZED),
    ],
    ids=["another problem", "of the control plane, which reads secrets itself"],
)
def test_other_troubles_are_not_waited_for(trouble: Trouble) -> None:
    assert not tries_again(unread("registry-secret"), pulling(), trouble=trouble)
