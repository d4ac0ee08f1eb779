"""Ends in the way that the environment variable MODE, filled from the form, asks for."""

import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request

mode = os.environ["MODE"]
print(f"faulty: mode is {mode}")

if mode == "raise":
    raise ValueError("the segmentation model has no weights")
if mode == "exhaust-memory":
    hoard = []
    while True:
        hoard.append(b"x" * 1_000_000)
if mode == "hang":
    time.sleep(3600)
if mode == "wait":
    time.sleep(int(os.environ["COUNT"]))
    print("waited")
if mode == "ignore-sigterm":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1)
if mode == "skip":
    sys.exit(126)
if mode == "chatter":
    sys.stdout.buffer.write(bytes(range(256)) * 4 + b"\n")
    for number in range(5_000):
        print(f"line {number} " + "x" * 80)
    sys.exit(3)
if mode == "flood":
    # 100 MB in short lines, and one line of 5 MB
    block = b"".join(b"flood %06d " % number + b"x" * 1000 + b"\n" for number in range(1000))
    for _ in range(100):
        sys.stdout.buffer.write(block)
    sys.stdout.buffer.write(b"y" * 5_000_000 + b"\nthe flood is over\n")
    sys.stdout.buffer.flush()
    sys.exit(4)
if mode == "fork":
    while True:
        if os.fork() == 0:
            signal.pause()
if mode == "fill-shared-memory":
    with open("/dev/shm/heap", "wb") as heap:
        while True:
            heap.write(b"x" * 1_000_000)
if mode == "stray":
    os.makedirs("/output")
    with open("/output/mask.nrrd", "wb") as mask:
        mask.write(b"m" * 100_000)
    with open("/tmp/scratch", "wb") as scratch:
        scratch.write(b"s" * 100_000)
if mode == "notify-by-name":
    # the error is swallowed, as by a program that goes through many elements
    call = urllib.request.Request(os.environ["NOTIFICATION_URL"] + "/v1/my-project", b'{"title": "t"}', method="POST")
    try:
        urllib.request.urlopen(call)
    except urllib.error.HTTPError:
        raise SystemExit("1 of 1 elements failed") from None
if mode == "store-elsewhere":
    call = urllib.request.Request("http://minio-service.services.svc:9000/somebody-elses/x", b"x", method="PUT")
    try:
        urllib.request.urlopen(call)
    except urllib.error.HTTPError:
        raise SystemExit("the upload failed") from None
if mode == "download":
    socket.create_connection(("weights.example.com", 443))
if mode == "send-without-the-label":
    socket.create_connection(("ctp-dicom-service.services.svc", 11112))
if mode == "leave-the-run":
    # another run's place, and what the platform mounts read-only
    with open(os.path.join(os.environ["WORKFLOW_DIR"], "conf", "conf.json"), "w") as conf:
        conf.write("{}")
