"""Scripts that measure octsk, most of them beside other libraries.

``python -m benchmarks.<name> --help`` describes each script.
"""
