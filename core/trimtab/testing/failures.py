"""How a conformance check ends when it does not pass."""

from __future__ import annotations


class CheckFailedError(AssertionError):
    """The domain breaks a rule; the text says which part and what was found."""


class NotApplicableError(Exception):
    """The rule does not apply to this domain; the text says why."""
