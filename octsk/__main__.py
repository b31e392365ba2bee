"""``python -m octsk``: the command where it is not on the path."""

import sys

from octsk.utils.processes import outside_working_folder

# Python has put the working folder first, where a json.py may lie that is not meant.
sys.path[:] = outside_working_folder()

from octsk.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
