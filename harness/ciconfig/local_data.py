"""The data that ``ci-config`` files name, and the folders that stand for it here."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.settings import how_to_set

if TYPE_CHECKING:
    from harness.ciconfig.case import Case
    from harness.data.series import Series
    from harness.run.ports import EnvironmentPort, ProjectPort
    from harness.run.posted_forms import Posted


class LocalData:
    """Folders by the names of data sets and the UIDs of series in files; each folder is added to the platform once.

    Args:
        folders: the value of the setting ``datasets``.
    """

    def __init__(self, folders: Mapping[str, str]) -> None:
        self._folders = dict(folders)
        self._series: dict[str, list[Series]] = {}
        self._brought: set[str] = set()

    def check(self, case: Case) -> None:
        """Check that all data of a document is mapped to a folder with images.

        Raises:
            UsageError: a name or a UID is not mapped, or its folder has no images.
        """
        for name in self._names(case):
            self._of(name)

    def bring(self, environment: EnvironmentPort, project: ProjectPort, case: Case) -> Posted:
        """Add the data of a document to the project, and return the document to post.

        A data set gets the name that the document has. A UID becomes that of the series in its folder.
        """
        from harness.run.trigger import upload

        for name in self._names(case):
            if name not in self._brought:
                upload(environment, project, self._of(name), name if name == case.dataset_name else None)
                self._brought.add(name)
        if not case.identifiers or case.dataset_name is not None:
            return case.posted
        uids = [series.series_instance_uid for name in case.identifiers for series in self._of(name)]
        conf = copy.deepcopy(dict(case.posted.conf_data))
        conf["data_form"]["identifiers"] = list(dict.fromkeys(uids))
        return dataclasses.replace(case.posted, conf_data=conf)

    def _names(self, case: Case) -> tuple[str, ...]:
        # the backend replaces identifiers beside a name (runtime 10.2, step 6)
        return (case.dataset_name,) if case.dataset_name is not None else case.identifiers

    def _of(self, name: str) -> list[Series]:
        from harness.run.trigger import read_dataset

        if name not in self._folders:
            known = ", ".join(sorted(self._folders)) or "no data"
            raise UsageError(
                f"no folder is set for the data {name!r}; folders are set for {known}",
                fix=f'add "{name}" = "path/to/dicom": {how_to_set("datasets")}',
            )
        if name not in self._series:
            self._series[name] = read_dataset(Path(self._folders[name]))
        return self._series[name]
