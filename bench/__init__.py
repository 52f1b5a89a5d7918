"""Benchmarks: figures measured side by side in one run, on real HTTP and in a real browser. Never part of the tests."""
