"""Test descriptions that extensions have beside their chart: ``ci-config/*.yaml`` (shapes 4, runtime 16)."""

from harness.ciconfig.case import Case, read_case, read_stream, title_of, tree_of
from harness.ciconfig.expectation import Expectation, SentExpectation
from harness.ciconfig.local_data import LocalData

__all__ = [
    "Case",
    "Expectation",
    "LocalData",
    "SentExpectation",
    "read_case",
    "read_stream",
    "title_of",
    "tree_of",
]
