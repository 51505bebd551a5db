"""Shortlist: decide which open-weight language model to ship on your own hardware, with evidence."""

__version__ = "0.1.0"
