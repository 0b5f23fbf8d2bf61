"""Hostile packets of IPv6."""

CLASSES = {}
