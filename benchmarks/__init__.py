"""Scripts that measure octsk, many of them in comparison with other libraries.

``python -m benchmarks.<name> --help`` describes each script.
"""
