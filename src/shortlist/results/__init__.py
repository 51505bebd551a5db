"""Runs on disk and what can be read from them: store, export, metrics, summary."""
