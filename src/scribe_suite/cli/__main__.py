"""``python -m scribe_suite.cli``."""

import sys

from scribe_suite.cli import main

sys.exit(main())
