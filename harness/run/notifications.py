"""The notifications that a run sent, for assertions; ``notifications.json`` of the evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.checks import questions
from harness.checks.differences import judge
from harness.checks.json_documents import read_json
from harness.checks.verdict import Verdict
from harness.common.redaction import REDACTOR
from harness.errors import CheckError
from harness.run.items import Items
from harness.wire.notifications import Notification

FILE: Final = "notifications.json"
_LISTED: Final = 20


class SentNotifications(Items[Notification]):
    """Notifications to users of the project, the oldest first.

    Args:
        directory: evidence of the run.
    """

    def __init__(self, items: Sequence[Notification], directory: Path | None = None) -> None:
        super().__init__(items)
        self._file = directory and directory / FILE

    def find(self, text: str) -> list[Notification]:
        """Return the notifications whose title, topic or description has this text in it."""
        return [one for one in self if any(text in part for part in (one.title, one.topic or "", one.description))]

    def one(self, text: str = "") -> Notification:
        """Return the one notification with this text, or the only one.

        Raises:
            CheckError: none fits, or more than one does; all are listed.
        """
        found = self.find(text)
        if len(found) != 1:
            counted = f"{len(found)} notifications" if found else "no notification"
            about = f" with {text!r}" if text else ""
            raise CheckError(
                f"{counted}{about} sent where exactly one is expected",
                last_seen="\n".join(map(str, self[:_LISTED])) or "no notification was sent",
            )
        if self._file is not None:
            questions.note(questions.Question(self._file, "notification", str(found[0])))
        return found[0]

    @property
    def nothing(self) -> Verdict:
        """Whether no notification was sent: ``assert run.notifications.nothing``."""
        verdict = judge("no notification sent", [str(one) for one in self], "none was sent")
        return questions.note_verdict(self._file, "no notification sent", verdict)


def write(notifications: Sequence[Notification], directory: Path) -> None:
    """Write the file of the evidence, if there are any."""
    if notifications:
        document = REDACTOR.value([one.as_json() for one in notifications])
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        (directory / FILE).write_text(text, "utf-8", errors="backslashreplace")


def read(directory: Path) -> SentNotifications:
    """Return the notifications in the evidence of a run."""
    path = directory / FILE
    found = read_json(path.read_bytes(), FILE, file=path).value if path.is_file() else []
    return SentNotifications([Notification.from_json(item) for item in found], directory)
