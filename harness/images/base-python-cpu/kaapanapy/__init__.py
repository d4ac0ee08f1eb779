"""Access to the platform from processing containers: the interface of Kaapana's own kaapanapy (services 4).

Written for kaapana-harness from the description of that interface. Nothing is imported here; every module
imports the libraries it needs when it is used.
"""
