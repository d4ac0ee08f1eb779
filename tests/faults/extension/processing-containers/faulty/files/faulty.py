"""Ends in the way that the environment variable MODE, filled from the form, asks for."""

import os
import signal
import sys
import time

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
