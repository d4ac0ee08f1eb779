"""Loads the plugin where the package is not installed (a plain checkout on the path), and pytest's own test helper."""

from importlib.metadata import entry_points

_INSTALLED = any(entry.value == "harness.plugin" for entry in entry_points(group="pytest11"))

pytest_plugins = ["pytester"] if _INSTALLED else ["pytester", "harness.plugin"]
