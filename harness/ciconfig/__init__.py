"""Test descriptions that extensions have beside their chart: ``ci-config/*.yaml`` (shapes 4, runtime 16)."""

from harness.ciconfig.case import Case, find_tree, make_title, read_case, read_stream
from harness.ciconfig.expectation import Expectation, SentExpectation
from harness.ciconfig.local_data import LocalData

__all__ = [
    "Case",
    "Expectation",
    "LocalData",
    "SentExpectation",
    "find_tree",
    "make_title",
    "read_case",
    "read_stream",
]
