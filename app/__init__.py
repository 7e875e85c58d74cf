"""Deskbell: live-chat support that a company runs on its own server."""

__version__ = "0.1.0"
