"""Running a workflow: trigger, follow, collect, diagnose. ``harness.api`` is the way in for tests."""
