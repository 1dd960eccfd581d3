"""The fixtures of all tests."""

pytest_plugins = ["tests.lib.databases"]
