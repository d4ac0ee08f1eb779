"""Peers of the DICOM receiver that break the protocol only hurt themselves."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage

from harness.incluster.services.config import Limits
from tests.attacks.services_fuzz import bounded
from tests.incluster.services import dicom_samples
from tests.incluster.services.running_services import RunningServices, bearer
from tests.incluster.services.test_receiver import send

STALLED_S = 2.0
# many times what the receiver grants a peer: the machine may have other work
_HUNG_S = 120


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServices]:
    running = RunningServices(tmp_path_factory.mktemp("attacked"), limits=Limits(stalled_peer_s=STALLED_S))
    yield running
    running.close()


@pytest.fixture(scope="module")
def greeting() -> bytes:
    """The request for an association as a real peer sends it: one context, with the id 1."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ae = AE(ae_title="kp-raw")
        ae.acse_timeout = 5
        ae.add_requested_context(CTImageStorage, [ExplicitVRLittleEndian])
        thread = threading.Thread(target=ae.associate, args=("127.0.0.1", server.getsockname()[1]))
        thread.start()
        peer, _ = server.accept()
        with peer:
            head = _exactly(peer, 6)
            found = head + _exactly(peer, struct.unpack(">L", head[2:])[0])
        thread.join()
    return found


def _exactly(peer: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = peer.recv(count - len(data))
        if not chunk:
            raise ConnectionError("closed")
        data += chunk
    return data


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BBL", kind, 0, len(body) if length is None else length) + body


def fragment(context: int, control: int, data: bytes, length: int | None = None) -> bytes:
    return struct.pack(">LBB", len(data) + 2 if length is None else length, context, control) + data


def element(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value


def command(field: int = 1, *, dataset: int = 0, sop_class: bytes = b"1.2.840.10008.5.1.4.1.1.2\0") -> bytes:
    """The command set of a request; 1 is C-STORE."""
    rest = b"".join(
        [
            element(0x00000002, sop_class),
            element(0x00000100, struct.pack("<H", field)),
            element(0x00000110, struct.pack("<H", 1)),
            element(0x00000700, struct.pack("<H", 2)),
            element(0x00000800, struct.pack("<H", dataset)),
            element(0x00001000, b"1.2.3.4\0"),
        ]
    )
    return element(0x00000000, struct.pack("<L", len(rest))) + rest


SHAPES = {
    "an unknown context": pdu(4, fragment(99, 3, command())),
    "a context of zero": pdu(4, fragment(0, 3, command())),
    "an even context": pdu(4, fragment(2, 3, command())),
    "an unknown context for the dataset": pdu(4, fragment(1, 3, command())) + pdu(4, fragment(99, 2, b"x" * 8)),
    "a dataset without a command": pdu(4, fragment(1, 2, b"x" * 8)),
    "an empty fragment": pdu(4, fragment(1, 3, b"")),
    "a fragment without its header": pdu(4, struct.pack(">L", 0)),
    "a fragment that is longer than its PDU": pdu(4, fragment(1, 3, b"abc", length=1 << 30)),
    "a command of noise": pdu(4, fragment(1, 3, bytes(range(256)))),
    "a command of an unknown kind": pdu(4, fragment(1, 3, command(0x7777))),
    "a class that is not a UID": pdu(4, fragment(1, 3, command(sop_class=b"\xff\xfe..\0\0")))
    + pdu(4, fragment(1, 2, b"")),
    "an answer to nothing": pdu(4, fragment(1, 3, command(0x8001, dataset=0x0101))),
    "another greeting": pdu(1, b"\0" * 68),
    "an acceptance": pdu(2, b"\0" * 68),
    "a PDU of an unknown kind": pdu(9, b"abc"),
    "an empty PDU": pdu(4, b""),
    "a dataset of noise": pdu(4, fragment(1, 3, command())) + pdu(4, fragment(1, 2, b"\xff" * 500)),
    "an event report": pdu(4, fragment(1, 3, command(0x0100))) + pdu(4, fragment(1, 2, b"\xff" * 50)),
}


def attack(platform: RunningServices, *parts: bytes, end: bool = True) -> None:
    """Send bytes, say that no more come, and read until the receiver has closed the connection."""
    peer = socket.create_connection(("127.0.0.1", platform.ports.dimse), timeout=_HUNG_S)
    with peer, contextlib.suppress(ConnectionError):
        for part in parts:
            peer.sendall(part)
        if end:
            peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            pass


def assert_works(platform: RunningServices) -> None:
    assert send(platform, dicom_samples.series(1), calling="kp-d", called="kp-admin") == [0]
    platform.settle()
    # closed by the receiver, not only by the peer
    assert platform.services.inbox.settle(30)
    assert platform.services.inbox.describe_pending() == {"associations": 0, "series": [], "ingesting": 0}


@pytest.mark.parametrize("end", [True, False], ids=["and ends", "and stays"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_message_that_has_no_meaning_ends_its_own_association(
    shape: str, end: bool, platform: RunningServices, greeting: bytes
) -> None:
    attack(platform, greeting, SHAPES[shape], end=end)
    assert_works(platform)


@pytest.fixture
def _works_afterwards(platform: RunningServices) -> Iterator[None]:
    yield
    assert_works(platform)


@pytest.mark.usefixtures("_works_afterwards")
@given(
    st.booleans(),
    st.lists(
        st.one_of(
            st.binary(max_size=64),
            st.builds(pdu, st.integers(0, 255), st.binary(max_size=64), st.none() | st.integers(0, (1 << 32) - 1)),
            st.builds(
                lambda context, control, data, length: pdu(4, fragment(context, control, data, length)),
                st.sampled_from([0, 1, 2, 3, 99, 255]),
                st.integers(0, 255),
                st.binary(max_size=64) | st.builds(command, st.integers(0, 0xFFFF), dataset=st.integers(0, 0xFFFF)),
                st.none() | st.integers(0, (1 << 32) - 1),
            ),
        ),
        max_size=4,
    ),
)
@bounded
def test_no_sequence_of_pdus_leaves_an_association_behind(
    platform: RunningServices, greeting: bytes, greets: bool, parts: list[bytes]
) -> None:
    attack(platform, *([greeting] if greets else []), *parts)


def test_half_a_pdu_is_cut_off_and_forty_of_them_do_not_close_the_receiver(
    platform: RunningServices, greeting: bytes
) -> None:
    half = pdu(4, b"half", length=1000)
    with contextlib.ExitStack() as stack:
        peers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", platform.ports.dimse), timeout=30))
            for _ in range(40)
        ]
        for number, peer in enumerate(peers):
            # some within an association, some before it
            peer.sendall(greeting + half if number % 2 else greeting[:20])
        assert_works_beside(platform)
        for peer in peers:
            with contextlib.suppress(ConnectionError):
                while peer.recv(4096):
                    pass
    assert_works(platform)


def assert_works_beside(platform: RunningServices) -> None:
    assert send(platform, dicom_samples.series(1), calling="kp-d", called="kp-admin") == [0]


def test_as_many_silent_associations_as_there_may_be_give_way(tmp_path: Path, greeting: bytes) -> None:
    # the server closes them after a while; the test does not wait for that
    running = RunningServices(tmp_path, limits=Limits(stalled_peer_s=600, associations=4))
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                peer = stack.enter_context(socket.create_connection(("127.0.0.1", running.ports.dimse), timeout=30))
                peer.sendall(greeting)
                # accepted, so that it counts
                assert _exactly(peer, 1) == b"\x02"
                peer.sendall(pdu(4, b"half", length=1000))
            statuses: list[int] = []
            while not statuses:
                with contextlib.suppress(AssertionError):
                    statuses = send(running, dicom_samples.series(1), calling="kp-d", called="kp-admin")
            assert statuses == [0]
    finally:
        running.close()


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, (1 << 20) + 1])
def test_a_pdu_of_endless_length_is_not_read(length: int, platform: RunningServices, greeting: bytes) -> None:
    with socket.create_connection(("127.0.0.1", platform.ports.dimse), timeout=30) as peer:
        peer.sendall(greeting)
        _exactly(peer, 6)
        sent = 0
        with contextlib.suppress(ConnectionError):
            peer.sendall(pdu(4, b"", length=length))
            while sent < 64 << 20:
                sent += peer.send(b"\0" * (1 << 16))
        assert sent < 64 << 20
    assert_works(platform)


def bomb() -> bytes:
    """A file of some hundred kilobytes whose dataset is of hundreds of megabytes."""
    dataset = dicom_samples.image("1.2.3.5", "1.2.3.6")
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    head = io.BytesIO()
    pydicom.dcmwrite(head, dataset, enforce_file_format=True)
    plain = dicom_samples.image("1.2.3.5", "1.2.3.6")
    whole = dicom_samples.encoded(plain)
    start = 144 + struct.unpack("<L", whole[140:144])[0]
    body = whole[start:].rpartition(struct.pack("<HH", 0x7FE0, 0x0010))[0]
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(body)
    packed += packer.compress(struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 300 << 20))
    for _ in range(300):
        packed += packer.compress(bytes(1 << 20))
    packed += packer.flush()
    deflated = head.getvalue()
    at = 144 + struct.unpack("<L", deflated[140:144])[0]
    return deflated[:at] + packed


def test_a_deflated_object_may_not_become_a_thousand_times_larger(platform: RunningServices) -> None:
    data = bomb()
    assert len(data) < 1 << 20
    boundary = "b"
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--b--\r\n"
    answer = platform.stow.post(
        "/studies", content=body, headers={"Content-Type": f'multipart/related; boundary="{boundary}"'}
    )
    assert answer.status_code == 409
    assert "becomes longer than" in answer.json()["detail"]
    assert list(platform.config.scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("FrameAcquisitionDuration", float("inf")),
        ("FrameAcquisitionDuration", float("nan")),
        ("FrameAcquisitionDuration", float("-inf")),
        ("StudyDate", "00010101"),
    ],
)
def test_a_value_that_json_cannot_say_hides_nothing_else(
    keyword: str, value: object, platform: RunningServices
) -> None:
    dataset: Dataset = dicom_samples.series(1)[0]
    setattr(dataset, keyword, value)
    assert send(platform, [dataset], calling="kp-d", called="kp-admin") == [0]
    assert platform.settle() == {"settled": True, "errors": {}}
    headers = bearer(platform.system_token())
    study, series = dataset.StudyInstanceUID, dataset.SeriesInstanceUID
    for path in (
        f"/studies/{study}/series/{series}/metadata",
        f"/studies/{study}/series/{series}/instances?includefield=all",
        "/studies?includefield=all",
    ):
        answer = platform.filter.get(path, headers=headers)
        assert answer.status_code == 200
        assert "Infinity" not in answer.text
        assert "NaN" not in answer.text
    stored = platform.services.indices.get("project_admin", series)
    assert stored is not None
    assert not any(item in (float("inf"), float("-inf")) or item != item for item in stored.source.values())
