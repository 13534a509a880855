"""Typed, frozen, checked configuration: one module per concept, YAML in, dataclasses out."""
