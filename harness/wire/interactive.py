"""How a task that waits for its author (runtime 7.5, 7.6) and the process that follows the run find each other.

The operator describes the step in a ConfigMap; the follower answers in the same object. Both use the Kubernetes
API only, so it is the same on every cluster. On the platform kube-helm stands between them.
"""

from __future__ import annotations

from typing import Final

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
"""Key of the Secret that has the name of the ConfigMap: what the editor asks for, another one for each attempt."""

CODE_SERVER: Final = "code-server"
SHELL: Final = "shell"
COMPLETED: Final = "completed"
REFUSED: Final = "refused"
