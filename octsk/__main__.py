"""Entry point of ``python -m octsk``, for use where the command is not on the path."""

import sys

from octsk.utils.processes import outside_working_folder

# Python puts the working folder first on the path, where a json.py could shadow a module.
sys.path[:] = outside_working_folder()

from octsk.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
