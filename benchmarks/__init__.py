"""Scripts that measure octsk beside others: ``python -m benchmarks.<name> --help``."""
