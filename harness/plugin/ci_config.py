"""``ci-config/*.yaml`` of an extension as tests: one document a test, in the order of the file (shapes 4).

The platform's runner posts a document and looks whether its jobs finish. Here a DAG that is missing fails, a value that
the page would refuse fails by name unless the document says ``started_by: api``, and an ``expect:`` block asserts on
what came.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import harness.plugin as plugin
from harness import ciconfig
from harness.ciconfig.case import is_ignored
from harness.errors import FormError, HarnessError, UsageError
from harness.plugin.fixtures import Ended

if TYPE_CHECKING:
    from harness.api import Kaapana
    from harness.installed import InstalledExtension


class CiConfigFile(pytest.File):
    """A file of documents, which share one project: the next one sees the data that earlier ones added or sent."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._open = contextlib.ExitStack()
        self.kaapana: Kaapana | None = None
        self._extension: InstalledExtension | None = None
        self._refusal: HarnessError | None = None
        self._data: ciconfig.LocalData | None = None
        self.documents: list[CiConfigDocument] = []
        self.ran: set[str] = set()

    def collect(self) -> Iterable[pytest.Item]:
        """Yield a test for each document."""
        if self.path.suffix != ".yaml":
            raise self.CollectError(f"{self.path}: the platform's runner reads ci-config/*.yaml, not .yml: rename it")
        try:
            found = ciconfig.read_stream(self.path)
        except UsageError as error:
            raise self.CollectError(str(error)) from None
        titles = [ciconfig.make_title(document, number) for number, document in enumerate(found, 1)]
        times: collections.Counter[str] = collections.Counter()
        self.documents = []
        for number, (document, title) in enumerate(zip(found, titles, strict=True)):
            times[title] += 1
            name = f"{title}[{times[title]}]" if titles.count(title) > 1 else title
            item = CiConfigDocument.from_parent(self, name=name, document=document, number=number)
            if is_ignored(document):
                item.add_marker(pytest.mark.skip(reason="ci_ignore: true (the platform's runner counts it as passed)"))
            self.documents.append(item)
        return self.documents

    @property
    def data(self) -> ciconfig.LocalData:
        """The data that the documents name."""
        if self._data is None:
            self._data = ciconfig.LocalData(dict(plugin._session(self.config).settings.datasets))
        return self._data

    def extension(self) -> InstalledExtension:
        """Return the extension of the file, installed in a project of the file's own; made at the first call.

        Raises:
            HarnessError: it cannot be built or installed; the first document gets the whole story, later ones one line.
        """
        if self._refusal is not None:
            raise type(self._refusal)(f"{self._refusal.cause} (as the first document of {self.path.name} found)")
        if self._extension is None:
            session = plugin._report(self.config, self._folder)
            facade = session.facade(self.nodeid, self._summarise, plugin._listener(self.config))
            try:
                self.kaapana = self._open.enter_context(facade)
                self._extension = self.kaapana.install(ciconfig.find_tree(self.path))
            except HarnessError as error:
                self._refusal = error
                raise
        return self._extension

    def teardown(self) -> None:
        """Remove the project of the file."""
        self._extension = self._data = self.kaapana = None
        self._open.close()

    def _summarise(self) -> Ended:
        """Return the outcome of all documents as that of one test: they share a project."""
        found = [item.stash[plugin._ENDED] for item in self.documents if plugin._ENDED in item.stash]
        failed = [ended for ended in found if ended.outcome == "failed"]
        if failed:
            return dataclasses.replace(failed[0], failure="\n\n".join(one.failure for one in failed))
        return found[-1] if found else Ended()

    def _folder(self) -> Path:
        # a collector has no fixtures, and pytest keeps its temporary folders nowhere else
        factory: pytest.TempPathFactory = self.config._tmp_path_factory  # type: ignore[attr-defined]
        return factory.mktemp("kaapana", numbered=False)


class CiConfigDocument(pytest.Item):
    """One document, posted unchanged."""

    def __init__(self, *, document: Any, number: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.document = document
        self.number = number

    @property
    def _file(self) -> CiConfigFile:
        assert isinstance(self.parent, CiConfigFile)
        return self.parent

    def runtest(self) -> None:
        """Add the document's data, post it, follow the run and compare.

        Raises:
            UsageError: the document cannot be posted, or names data without a folder.
            FormError: the page would refuse a value of it.
            HarnessError: the extension is not installed, or the run or an expectation failed.
        """
        file = self._file
        self._check_order()
        file.ran.add(self.name)
        name = f"{file.path.name}, document {self.number + 1}"
        case = ciconfig.read_case(self.document, name)
        file.data.check(case)
        extension = file.extension()
        kaapana = file.kaapana
        assert kaapana is not None
        self.stash[plugin._FACADE] = kaapana
        if case.dag_id not in extension.dag_ids:
            raise UsageError(
                f"{name}: the extension has no DAG {case.dag_id!r}; it has {', '.join(extension.dag_ids) or 'none'}",
                fix="the platform's runner passes such a document unseen; correct its dag_id, or set ci_ignore: true",
            )
        if case.started_by == "form":
            _refuse_what_the_page_refuses(name, case, kaapana)
        post = file.data.bring(kaapana.environment, kaapana.project, case)
        run = extension.run(conf=post.document(case.dag_id))
        case.expect.check(run)

    def _check_order(self) -> None:
        """Raise where an earlier document is to run in another process."""
        chosen = {item.name for item in self.session.items if item.parent is self._file}
        earlier = [item.name for item in self._file.documents[: self.number] if item.name in chosen]
        missing = [name for name in earlier if name not in self._file.ran and not _is_skipped(self._file, name)]
        if missing:
            raise UsageError(
                f"{self._file.path.name}: {missing[0]} has to run before {self.name}, and did not run in this process",
                fix="give the documents of a file to one process: pytest --dist loadfile",
            )

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the location of the test."""
        return self.path, 0, f"{self.path.name}: {self.name}"


def restore_order(items: list[pytest.Item]) -> None:
    """Put the documents of each file, at the places that they have among all tests, into the order of the file."""
    places: dict[CiConfigFile, list[int]] = collections.defaultdict(list)
    for place, item in enumerate(items):
        if isinstance(item, CiConfigDocument):
            places[item._file].append(place)
    for file, taken in places.items():
        chosen = {items[place] for place in taken}
        for place, item in zip(taken, [item for item in file.documents if item in chosen], strict=True):
            items[place] = item


def _is_skipped(file: CiConfigFile, name: str) -> bool:
    return any(item.name == name and is_ignored(item.document) for item in file.documents)


def _refuse_what_the_page_refuses(name: str, case: ciconfig.Case, kaapana: Any) -> None:
    """Raise a FormError for a document that no user of the page could start."""
    from harness import profiles
    from harness.run.posted_forms import find_page_refusal
    from harness.run.trigger import make_page_rules

    services = kaapana.environment.services
    ui_forms = services.form_schemas(kaapana.project, case.dag_id)
    offered = bool(ui_forms) or case.dag_id in services.dags(kaapana.project)
    rules = make_page_rules(profiles.load(kaapana.environment.settings.platform))
    refused = find_page_refusal(case.posted.conf_data, ui_forms if offered else None, rules)
    if refused is not None:
        raise FormError(
            f"{name}: the page refuses what it posts: {refused.cause}",
            last_seen=refused.last_seen,
            fix="correct it; or, where only the API is to start it so, add started_by: api to the document",
        )
