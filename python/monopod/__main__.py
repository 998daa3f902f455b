"""The command `monopod`, and `python -m monopod`."""

import sys
from typing import NoReturn

from monopod import _monopod


def main() -> NoReturn:
    """Run the command line in `sys.argv` and exit with its code: 0, or one of sysexits.h after a sentence on stderr."""
    sys.exit(_monopod.main(sys.argv))


if __name__ == "__main__":
    main()
