"""The base of a fact: something that has happened, in the past tense, published after its commit."""

from __future__ import annotations


class Event:
    """A fact. Subclasses are frozen dataclasses that hold ids and values, never rows."""

    __slots__ = ()
