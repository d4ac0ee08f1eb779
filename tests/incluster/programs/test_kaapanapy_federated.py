"""The base image's library for containers of federated training."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[3] / "harness" / "images" / "base-python-cpu"
MODULE = "kaapana_federated.KaapanaFederatedTraining"


@pytest.fixture(autouse=True)
def _library(monkeypatch):
    monkeypatch.syspath_prepend(str(LIBRARY))
    monkeypatch.setenv("SERVICES_NAMESPACE", "services")
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "kaapana_federated"]:
        del sys.modules[name]


def test_the_module_needs_the_namespace_of_the_services(monkeypatch):
    monkeypatch.delenv("SERVICES_NAMESPACE")
    with pytest.raises(AssertionError, match="SERVICES_NAMESPACE"):
        importlib.import_module(MODULE)


def test_a_training_can_be_derived_and_says_when_it_is_started_that_it_is_not_emulated():
    module = importlib.import_module(MODULE)

    class Training(module.KaapanaFederatedTrainingBase):
        @module.timing
        def aggregate(self, weights):
            return sum(weights)

    assert Training.aggregate(None, [1, 2]) == 3
    with pytest.raises(
        NotImplementedError, match=r"KaapanaFederatedTrainingBase: .*one instance and no federated runs"
    ):
        Training(workflow_dir="/data")


def test_a_function_that_is_called_and_private_names_are_refused():
    module = importlib.import_module(MODULE)
    with pytest.raises(NotImplementedError, match="fetch_minio_files"):
        module.fetch_minio_files("bucket")
    with pytest.raises(AttributeError):
        _ = module._private
