"""The DICOM receiver: any AE may echo and store (services 8)."""

from __future__ import annotations

import datetime
import logging
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.incluster.services.config import ServicesConfig
from harness.incluster.services.dicom import dicomedit, dicomfile
from harness.incluster.services.dicom.associations import Associations
from harness.incluster.services.dicom.dicomfile import DicomError
from harness.incluster.services.dicom.inbox import Inbox
from harness.incluster.services.dicom.ingest import dataset_of, project_of
from harness.incluster.services.dicom.receipts import Receipt, Receipts
from harness.incluster.services.records import StorageError
from harness.incluster.services.refusals import RefusalLog
from harness.wire import names
from harness.wire.service_refusals import RefusedRequest

if TYPE_CHECKING:
    from pynetdicom import evt
    from pynetdicom.transport import ThreadedAssociationServer

log = logging.getLogger("harness.incluster.services.dicom.receiver")

SUCCESS: Final = 0x0000
# status codes of the storage service (DICOM PS3.4 B.2.3)
OUT_OF_RESOURCES: Final = 0xA700
DOES_NOT_MATCH: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000
# transfer syntaxes of mails, of XML, and of a format that was given up
_NO_OBJECTS: Final = frozenset({"1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2", "1.2.840.10008.1.20"})
_UTC = datetime.timezone.utc


class _MismatchError(DicomError):
    """The dataset is not the object that the request names."""


class Receiver:
    """The DIMSE listener. Every failure of an object becomes a status; a stalled peer is cut off.

    An object is on disk before its status says success.
    """

    def __init__(self, config: ServicesConfig, receipts: Receipts, inbox: Inbox, refusals: RefusalLog) -> None:
        self._config = config
        self._receipts = receipts
        self._inbox = inbox
        self._refusals = refusals
        self._server: ThreadedAssociationServer | None = None
        self._associations = Associations(
            config.limits,
            on_open=inbox.association_opened,
            on_data=inbox.association_active,
            on_end=inbox.association_closed,
        )

    @property
    def port(self) -> int:
        """The port that is listened on, 0 before start."""
        return int(self._server.server_address[1]) if self._server else 0

    def start(self) -> None:
        """Listen; importing the DICOM network library takes most of the time."""
        from pydicom.uid import UID_dictionary  # type: ignore[attr-defined]  # its module has it from a generated one
        from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

        # objects go to disk while they come in: a large one must not fill the memory
        _config.STORE_RECV_CHUNKED_DATASET = True
        limits = self._config.limits
        ae = AE(ae_title="CTP")
        # _on_request limits associations: the library would count connections without a request
        ae.maximum_associations = 1 << 16
        ae.maximum_pdu_size = 131_072
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = limits.stalled_peer_s
        ae.add_supported_context(Verification)
        # also retired ones: objects are kept unchanged
        syntaxes = [
            uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax" and uid not in _NO_OBJECTS
        ]
        for context in AllStoragePresentationContexts:
            if context.abstract_syntax is not None:
                ae.add_supported_context(context.abstract_syntax, syntaxes)
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, self._on_open),
            (evt.EVT_CONN_CLOSE, self._on_close),
            (evt.EVT_REQUESTED, self._on_request),
            (evt.EVT_DATA_RECV, self._data),
            (evt.EVT_C_ECHO, _echo),
            (evt.EVT_C_STORE, self._store),
        ]
        address = (self._config.host, self._config.ports.dimse)
        self._server = ae.start_server(address, block=False, evt_handlers=handlers)

    def stop(self) -> None:
        """Stop listening and drop the open associations."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def _on_open(self, event: evt.Event) -> None:
        self._associations.on_opened(event.assoc)

    def _on_close(self, event: evt.Event) -> None:
        if peer := self._associations.find(event.assoc):
            peer.cut()

    def _on_request(self, event: evt.Event) -> None:
        if not self._associations.admit(event.assoc):
            # transient, local limit exceeded (DICOM PS3.8 9.3.4)
            event.assoc.acse.send_reject(0x02, 0x03, 0x02)
            event.assoc.kill()

    def _data(self, event: evt.Event) -> None:
        assoc = event.assoc
        peer = self._associations.find(assoc)
        if peer is None:
            return
        peer.received += len(event.data)
        if peer.received > self._config.limits.object_bytes:
            log.warning("peer %s sent more than %d bytes", _peer(event), self._config.limits.object_bytes)
            # abort waits for the thread that reports this event
            threading.Thread(target=assoc.abort, daemon=True).start()

    def _store(self, event: evt.Event) -> int:
        received_at = datetime.datetime.now(_UTC)
        if peer := self._associations.find(event.assoc):
            peer.received = 0
        receipt_id, target = self._receipts.new_path()
        try:
            receipt = self._take(event, receipt_id, target, received_at)
            self._receipts.add(receipt)
        except DicomError as problem:
            log.warning("peer %s: object refused: %s", _peer(event), problem)
            status = DOES_NOT_MATCH if isinstance(problem, _MismatchError) else CANNOT_UNDERSTAND
            return self._note_refusal(event, status, problem)
        except (OSError, StorageError) as problem:
            log.error("peer %s: object cannot be kept: %s", _peer(event), problem)
            return self._note_refusal(event, OUT_OF_RESOURCES, problem)
        except Exception as problem:
            log.exception("peer %s: object refused", _peer(event))
            return self._note_refusal(event, CANNOT_UNDERSTAND, problem)
        self._refusals.record_success(_peer(event), received_at.timestamp())
        self._inbox.add(receipt, event.assoc)
        return SUCCESS

    def _note_refusal(self, event: evt.Event, status: int, problem: Exception) -> int:
        requestor: Any = event.assoc.requestor
        request: Any = event.request
        self._refusals.add(
            RefusedRequest(
                service=names.CTP_DICOM[0],
                status=status,
                method="C-STORE",
                route=f"{request.AffectedSOPInstanceUID} to {str(requestor.primitive.called_ae_title).strip()}",
                reason=str(problem),
                peer=_peer(event),
                at=datetime.datetime.now(_UTC).timestamp(),
            )
        )
        return status

    def _take(self, event: evt.Event, receipt_id: str, target: Path, received_at: datetime.datetime) -> Receipt:
        request: Any = event.request
        requestor: Any = event.assoc.requestor
        calling = str(requestor.ae_title).strip()
        called = str(requestor.primitive.called_ae_title).strip()
        source = event.dataset_path
        layout = dicomfile.scan(source)
        ids = dicomfile.identifiers(source, layout)
        if ids.sop_instance != request.AffectedSOPInstanceUID or ids.sop_class != request.AffectedSOPClassUID:
            raise _MismatchError(f"the dataset does not match the request: {ids.sop_class} {ids.sop_instance}")
        return store_object(
            source, target, layout, ids, receipt_id=receipt_id, received_at=received_at, peer=_peer(event),
            calling=calling, called=called,
        )  # fmt: skip


def store_object(
    source: Path,
    target: Path,
    layout: dicomfile.Layout,
    ids: dicomfile.Identifiers,
    *,
    receipt_id: str,
    received_at: datetime.datetime,
    peer: str,
    calling: str,
    called: str,
) -> Receipt:
    """Keep an object as the receiver does: calling AE in (0012,0010), called AE in (0012,0020) (services 8.1)."""
    tags: dict[int, str | None] = {}
    if calling or called:
        tags = {dicomedit.CLINICAL_TRIAL_SPONSOR: calling, dicomedit.CLINICAL_TRIAL_PROTOCOL: called}
    try:
        dicomedit.rewrite(source, target, layout, tags)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Receipt(
        id=receipt_id,
        received_at=received_at,
        peer=peer,
        calling_ae=calling,
        called_ae=called,
        ids=ids,
        transfer_syntax=layout.transfer_syntax,
        size=target.stat().st_size,
        project=project_of(called),
        dataset=dataset_of(calling, received_at),
        path=target,
    )


def store_files(paths: Sequence[Path], receipts: Receipts, inbox: Inbox, *, peer: str) -> None:
    """Store files of the receiver's STOW port: no AE titles, so the admin project and a time stamp (services 8.2).

    Raises:
        DicomError: a file is refused; names its number.
    """
    now = datetime.datetime.now(_UTC)
    for number, path in enumerate(paths, 1):
        try:
            dicomfile.identifiers(path, dicomfile.scan(path))
        except DicomError as problem:
            raise DicomError(f"part {number} of {len(paths)}: {problem}") from None
    for path in paths:
        layout = dicomfile.scan(path)
        ids = dicomfile.identifiers(path, layout)
        receipt_id, target = receipts.new_path()
        receipt = store_object(
            path, target, layout, ids, receipt_id=receipt_id, received_at=now, peer=peer, calling="", called=""
        )
        receipts.add(receipt)
        inbox.add(receipt)


def remove_tree(folder: Path) -> None:
    """Delete a working folder."""
    shutil.rmtree(folder, ignore_errors=True)


def _echo(event: evt.Event) -> int:
    return SUCCESS


def _peer(event: evt.Event) -> str:
    return str(event.assoc.requestor.address)
