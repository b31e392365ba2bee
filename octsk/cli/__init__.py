"""The ``octsk`` command."""

from octsk.cli._app import app, main

__all__ = ["app", "main"]
