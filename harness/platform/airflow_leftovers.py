"""Find what installations leave in Airflow's folders: stale files, and files of several extensions (build 6, 18.3).

The installer copies and never deletes; the remove hook deletes by the names that its image has. Both are done by the
real programs here; this module only reports what an author would find out much later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.findings import Finding, installing
from harness.platform import dags
from harness.platform.airflow_client import DagBag
from harness.platform.notes import Note
from harness.platform.releases import HelmRelease
from harness.wire.messages import join_names


def report_stale(extension: str, files: Sequence[str], bag: DagBag) -> Finding:
    """Return the finding about files of an extension's earlier versions.

    Args:
        extension: its name.
        files: those that are still there and are not part of the version that is installed.
        bag: what Airflow made of the DAG folder.
    """
    message = f"an earlier version of {extension} installed this; it is still there but no longer belongs to it"
    if offered := dags.find_ids_in_files(files, bag):
        message += f", and Airflow still has its DAG {', '.join(offered)}"
    fix = (
        "uninstall the old version before you replace its DAG image under the same tag: the remove hook deletes only "
        "what its image has. Remove what is left now by hand, here with the environment (kaapana-harness down)"
    )
    return installing.STALE_DAG_FILE.report(join_names(files), message, fix=fix)


def find_left(
    extension: str, files: Iterable[str], releases: Iterable[HelmRelease], present: Mapping[str, str]
) -> list[str]:
    """Return those files of an extension that are there and belong to no other one, sorted.

    Args:
        extension: its name.
        files: those that it installed.
        releases: all installed ones.
        present: the files in Airflow's folders.
    """
    elsewhere = {name for _, note in _notes_of_others(extension, releases) for name in note.files}
    return sorted((set(files) & set(present)) - elsewhere)


def find_clashes(extension: str, files: Mapping[str, str], releases: Iterable[HelmRelease]) -> list[Finding]:
    """Return the findings about files that another installed extension has too.

    Args:
        extension: its name.
        files: of this installation, with their digests.
        releases: all installed ones.
    """
    found = []
    for other, note in _notes_of_others(extension, releases):
        shared = sorted(set(files) & set(note.files))
        same = [name for name in shared if files[name] == note.files[name]]
        for names, content in (
            (same, "with the same content"),
            ([name for name in shared if name not in same], "with other content, which was overwritten now"),
        ):
            if names:
                found.append(
                    installing.FILE_CLASH.report(
                        join_names(names),
                        f"{other} installs this too, {content}; uninstalling one of the two removes it from both",
                    )
                )
    return found


def check_removal(
    removed: HelmRelease, releases: Sequence[HelmRelease], present: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Return findings about leftovers of a removed release, and about losses of other extensions.

    Args:
        removed: the removed release.
        releases: all remaining ones.
        present: the files in Airflow's folders.
    """
    found: list[Finding] = []
    own = Note.of(removed)
    others = list(_notes_of_others(removed.name, releases))
    if own is not None:
        files = find_left(removed.name, [*own.files, *own.left], releases, present)
        if files:
            message = f"{removed.name} is uninstalled, but this is left"
            fix = "remove it by hand, here with the environment (kaapana-harness down); an installation overwrites it"
            found.append(installing.STALE_DAG_FILE.report(join_names(files), message, fix=fix))
        for other, note in others:
            lost = sorted(name for name in set(own.files) & set(note.files) if note.files[name] and name not in present)
            if lost:
                message = f"uninstalling {removed.name} removed this, which belongs to {other}"
                fix = f"install {other} again"
                found.append(installing.FILE_CLASH.report(join_names(lost), message, fix=fix, severity="error"))
    return tuple(found)


def _notes_of_others(extension: str, releases: Iterable[HelmRelease]) -> Iterator[tuple[str, Note]]:
    for release in releases:
        note = Note.of(release)
        if release.name != extension and note is not None:
            yield release.name, note
