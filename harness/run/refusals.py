"""What the platform's services refused to the pods of a run, for assertions; ``refused.json`` of the evidence."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from harness.checks import questions
from harness.checks.differences import judge
from harness.checks.json_documents import read_json
from harness.checks.verdict import Verdict
from harness.common.redaction import REDACTOR
from harness.run.items import Items
from harness.wire.service_refusals import RefusedRequest

FILE: Final = "refused.json"


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A request that a service did not do.

    Attributes:
        task_id: whose pod asked.
        request: what was asked, and how the service answered: ``service``, ``status``, ``reason``, ``route``, ...
    """

    task_id: str
    request: RefusedRequest

    def __str__(self) -> str:
        after = ", after which the pod went on" if self.request.went_on else ""
        return f"{self.request.summary} to task {self.task_id}{after}"


class Refusals(Items[Refusal]):
    """Refused requests, the oldest first.

    Args:
        directory: evidence of the run.
    """

    def __init__(self, items: Sequence[Refusal], directory: Path | None = None) -> None:
        super().__init__(items)
        self._file = directory and directory / FILE

    @property
    def nothing(self) -> Verdict:
        """Whether no service refused anything: ``assert run.refused.nothing``."""
        return self._judge("nothing refused", list(self))

    @property
    def only_probes(self) -> Verdict:
        """Whether each refusal was an answer that something is not there or there already, and the pod went on."""
        others = [one for one in self if not (one.request.is_probe and one.request.went_on)]
        return self._judge("nothing but probes refused", others)

    def _judge(self, subject: str, unwanted: Sequence[Refusal]) -> Verdict:
        counted = f"{len(self) or 'no'} request{'' if len(self) == 1 else 's'} refused"
        return questions.note_verdict(self._file, subject, judge(subject, [str(one) for one in unwanted], counted))


def write(refusals: Sequence[Refusal], directory: Path) -> None:
    """Write the file of the evidence, if there are any."""
    if refusals:
        document = REDACTOR.value([{"task_id": one.task_id, "request": one.request.as_json()} for one in refusals])
        (directory / FILE).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read(directory: Path) -> Refusals:
    """Return the refused requests in the evidence of a run."""
    path = directory / FILE
    found: list[dict[str, Any]] = read_json(path.read_bytes(), FILE, file=path).value if path.is_file() else []
    items = [Refusal(item["task_id"], RefusedRequest.from_json(item["request"])) for item in found]
    return Refusals(items, directory)
