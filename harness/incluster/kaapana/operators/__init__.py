"""Kaapana's operators, one class per module of the same name (operators 1)."""
