"""The documentation, and what its build makes."""
