"""``python -m octsk``: the command where it is not on the path."""

from octsk.cli import main

if __name__ == "__main__":
    main()
