"""Schemas of the kinds that people write, with instances that are valid under them."""
