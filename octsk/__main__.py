"""Entry point of ``python -m octsk``, for use where the command is not on the path."""

from octsk.cli import main

if __name__ == "__main__":
    main()
