"""Scrape annotated pods while they run, in place of Prometheus (services 15).

It needs the pod list and the pods' addresses only, both from the Kubernetes API, so it does the same on every
cluster. Unlike Prometheus it only keeps the metrics of single pods: no queries, no rules, no alerts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from harness.incluster.services.metrics.scraping import Target, scrape, targets_of
from harness.kube import KubeApi, in_cluster
from harness.kube.errors import ApiError

log = logging.getLogger(__name__)

_WATCH_S: Final = 60.0
_AGAIN_S: Final = 1.0
# until the first answer: the container's program may still be starting
_EAGER_S: Final = 0.25
_TARGETS: Final = 500
_AT_ONCE: Final = 64


class Metrics:
    """Watches all pods and scrapes annotated ones, each target in a separate thread.

    Args:
        connect: returns the API server; raises :class:`ApiError` outside of a cluster.
    """

    def __init__(self, connect: Callable[[], KubeApi] = in_cluster) -> None:
        self._connect = connect
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._targets: dict[str, list[Target]] = {}
        self._slots = threading.Semaphore(_AT_ONCE)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin in the background; without a cluster nothing is done."""
        try:
            api = self._connect()
        except ApiError as problem:
            log.info("pods are not asked for metrics: %s", problem)
            return
        self._thread = threading.Thread(target=self._watch, args=(api,), name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; threads that wait for an answer are daemons and are not waited for."""
        self._stop.set()
        with self._lock:
            for target in [target for found in self._targets.values() for target in found]:
                target.ended.set()

    def list_scraped(self, namespace: str) -> list[dict[str, Any]]:
        """Return the targets of a namespace with their metrics, oldest first."""
        with self._lock:
            found = [target for targets in self._targets.values() for target in targets]
        return [target.as_json() for target in found if target.labels["kubernetes_namespace"] == namespace]

    def forget(self, namespace: str) -> None:
        """Drop what pods of a namespace said."""
        with self._lock:
            for uid, targets in list(self._targets.items()):
                if any(target.labels["kubernetes_namespace"] == namespace for target in targets):
                    for target in targets:
                        target.ended.set()
                    del self._targets[uid]

    def _watch(self, api: KubeApi) -> None:
        last_reported = ""
        while not self._stop.is_set():
            try:
                self._end_all_but({str(pod["metadata"].get("uid")) for pod in api.list("Pod")})
                for change, pod in api.watch("Pod", None, timeout_s=_WATCH_S):
                    self._see(change, pod)
                    if self._stop.is_set():
                        return
                last_reported = ""
            except ApiError as problem:
                if str(problem) != last_reported:
                    log.warning("pods cannot be watched for metrics: %s", problem)
                last_reported = str(problem)
                self._stop.wait(_AGAIN_S)

    def _see(self, change: str, pod: dict[str, Any]) -> None:
        uid = str(pod["metadata"].get("uid"))
        running = change != "DELETED" and (pod.get("status") or {}).get("phase") in {"Running", "Pending"}
        with self._lock:
            known = self._targets.get(uid)
            if known is not None:
                if not running:
                    for target in known:
                        target.ended.set()
                return
            # a pod that is seen for the first time when it has ended shows that it was too short to be asked
            found = list(targets_of(pod)) if change != "DELETED" else []
            if not found:
                return
            if len(self._targets) >= _TARGETS:
                self._drop_oldest()
            self._targets[uid] = found
        for target in found:
            if target.refused:
                log.warning("not asked for metrics: %s", target.error)
            elif running:
                threading.Thread(target=self._follow, args=(target,), name=target.url, daemon=True).start()
            else:
                target.error = f"{target.url}: the pod had ended before it could be asked"

    def _end_all_but(self, uids: set[str]) -> None:
        """End the targets of other pods: a pod that was deleted between two watches appears in neither."""
        with self._lock:
            for uid, targets in self._targets.items():
                if uid not in uids:
                    for target in targets:
                        target.ended.set()

    def _drop_oldest(self) -> None:
        for uid, targets in list(self._targets.items()):
            if all(target.ended.is_set() for target in targets):
                del self._targets[uid]
                return

    def _follow(self, target: Target) -> None:
        while not self._stop.is_set() and not target.ended.is_set():
            with self._slots:
                scrape(target)
            target.ended.wait(target.interval_s if target.answers else _EAGER_S)
