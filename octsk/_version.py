"""The version, alone in its file so that packaging tools read it without imports."""

__version__ = "0.1.0"
