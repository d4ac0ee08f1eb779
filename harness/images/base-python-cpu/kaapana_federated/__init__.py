"""Federated runs of Kaapana (services 4.3), as far as the emulated platform has them: the names import.

Written for kaapana-harness from the description of that interface. A federated run needs several platforms, of
which there is one here; see :mod:`kaapana_federated.KaapanaFederatedTraining`.
"""
