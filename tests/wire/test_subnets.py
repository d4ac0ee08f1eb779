"""Ranges for networks where those of the engine are used up."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

from harness.wire import subnets


def test_free_ranges_overlap_no_network_of_the_engine() -> None:
    taken = ["172.17.0.0/16", "198.18.0.0/23", "198.18.3.0/24", "fd00::/64"]
    assert list(itertools.islice(subnets.find_free(taken), 2)) == ["198.18.4.0/23", "198.18.6.0/23"]


def test_there_are_128_ranges_of_510_addresses_each() -> None:
    found = [ipaddress.IPv4Network(subnet) for subnet in subnets.find_free([])]
    assert (len(found), found[0].num_addresses) == (128, 512)
    assert all(network.is_private for network in found)
    assert list(subnets.find_free([subnets.RANGE])) == []


@pytest.mark.parametrize(
    "words",
    [
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        "all predefined address pools have been fully subnetted",
        "could not find free subnet from subnet pools",
    ],
)
def test_used_up_ranges_are_known_by_the_words_of_each_engine(words: str) -> None:
    assert subnets.are_used_up(words)


@pytest.mark.parametrize(
    "words",
    [
        "Pool overlaps with other one on this address space",
        "subnet 198.18.0.0/23 is already used on the host or by another config",
    ],
)
def test_a_range_that_another_has_taken_is_known_by_the_words_of_each_engine(words: str) -> None:
    assert subnets.is_taken(words)
    assert not subnets.are_used_up(words)
