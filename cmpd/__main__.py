"""`python -m cmpd` is the same as `cmpd`."""

import sys

from cmpd.cli import main

sys.exit(main())
