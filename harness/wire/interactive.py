"""How a task that waits for its author (runtime 7.5, 7.6) and the process that follows the run find each other.

The operator describes the step in a ConfigMap; the follower answers in the same object. Both use the Kubernetes
API only, so it is the same on every cluster. On the platform kube-helm is between them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from harness.wire.fields import select_fitting

LABEL_STEP: Final = "kaapana-harness/step"
"""On the step's ConfigMap the value ``true``; on its pod, which the step's Service selects, the pod's name."""

STEP_PORT: Final = 8080
WORKSPACE: Final = "/kaapana"

# keys of the ConfigMap: a JSON document, and what changes
DOCUMENT: Final = "step.json"
TOOL: Final = "tool"
ATTENDED: Final = "attended"
ANSWER: Final = "answer"
REASON: Final = "reason"

PASSWORD: Final = "password"
"""Key of the Secret with the ConfigMap's name: the editor's password, a new one for each attempt."""

CODE_SERVER: Final = "code-server"
SHELL: Final = "shell"

# answers
COMPLETED: Final = "completed"
REFUSED: Final = "refused"
EXPIRED: Final = "expired"


@dataclasses.dataclass(frozen=True)
class Step:
    """A step that waits for its author.

    Attributes:
        what: as the author of the DAG wrote it, e.g. ``dev_server='code-server'``.
        dag_id: of the DAG.
        run_id: of the run.
        task_id: of the task.
        display_name: of the operator.
        folder: the run's folder in the container.
        namespace: of the pod; empty before there is one.
        pod: its name.
        service: by which the editor is reached.
        image: of the pod.
    """

    what: str = ""
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    display_name: str = ""
    folder: str = ""
    namespace: str = ""
    pod: str = ""
    service: str = ""
    image: str = ""

    def data(self) -> dict[str, str]:
        """Return the data of the step's ConfigMap."""
        return {DOCUMENT: json.dumps(dataclasses.asdict(self))}

    @classmethod
    def from_configmap(cls, configmap: Mapping[str, Any]) -> Step | None:
        """Return the step that a ConfigMap describes, or ``None``."""
        try:
            document = json.loads(configmap["data"][DOCUMENT])
        except (KeyError, TypeError, ValueError):
            return None
        return cls(**select_fitting(cls, document)) if isinstance(document, dict) else None
