"""Rules about an extension before it runs: its tree, parameters and charts, and leftovers of installations."""

from __future__ import annotations

from typing import Final

from harness.findings.rule import Rule

EXTENSION_NOTE: Final = Rule(
    "extension-note",
    "warning",
    "the DAG file has a form that users cannot fill, or an image by another registry or tag than the platform's",
)
DROPPED_DOCKERFILE: Final = Rule(
    "dropped-dockerfile",
    "warning",
    "two Dockerfiles have one `LABEL IMAGE`: the build script keeps the first by path",
    "give each its own LABEL IMAGE, or remove one of them",
)
REFUSED_BASE: Final = Rule(
    "refused-base",
    "warning",
    "a `FROM` line without a tag, with a flag, with the name of a stage, or of more than four parts: the platform's "
    "build script aborts, `docker build` by hand does not",
    "write FROM name:tag without flags, also for a stage that begins with an earlier one",
)
DEPENDENCY_BY_NAME: Final = Rule(
    "dependency-by-name",
    "warning",
    "a required chart has no `version`, no `repository`, or a stale one: the build script finds it, `helm dep up` does "
    "not",
)
HIDDEN_BY_DEFAULT: Final = Rule(
    "hidden-by-default",
    "info",
    "the chart has the keyword `kaapanaexperimental`",
    "remove the keyword once the extension is stable",
)
STALE_DAG_FILE: Final = Rule(
    "stale-dag-file",
    "warning",
    "a file of an earlier version, or of an uninstalled extension, is still in Airflow's folders",
)
FILE_CLASH: Final = Rule(
    "file-clash",
    "warning",
    "two extensions install the same file; an error if uninstalling one removed the file of the other",
    "give each extension its own folder and file names below dags/",
    other_severity="error",
)
PARAMETER_UNREAD: Final = Rule(
    "parameter-unread",
    "warning",
    "no template of the chart reads the parameter",
    "render it into an object that the operator or its container reads, e.g. a Job that writes a file beside the "
    "operator (docs/writing-tests.md)",
)
PARAMETER_DROPPED: Final = Rule(
    "parameter-dropped",
    "warning",
    "the platform drops the value because it contains one of `; & < > \" '`",
    "leave these characters out, or let the template write them",
)
PARAMETER_CHANGED: Final = Rule(
    "parameter-changed",
    "warning",
    "the platform removes blanks or backslashes from the value",
    "use another character, e.g. _ or -",
)
PARAMETER_OVERRIDDEN: Final = Rule(
    "parameter-overridden",
    "warning",
    "`global` of values.yaml has a text or a list of the same name, which always wins",
    "rename the parameter, or remove the key from `global`",
)
PARAMETER_DEFAULT: Final = Rule(
    "parameter-default",
    "warning",
    'a default that no user could select, or the text `"False"` where a boolean is meant',
)
