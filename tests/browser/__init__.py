"""Tests that drive a real Chromium against the whole app. A package, so that its browser is closed before other tests run."""
