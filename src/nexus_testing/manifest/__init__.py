"""manifest.json: what it may say, reading it, and what is wrong with it."""

from __future__ import annotations

from .model import Api, Configuration, Dependencies, Manifest
from .reading import manifest_findings, read_json, read_manifest

__all__ = (
    "Api",
    "Configuration",
    "Dependencies",
    "Manifest",
    "manifest_findings",
    "read_json",
    "read_manifest",
)
