"""Settings that call sys.exit(0) on import."""

import sys

sys.exit(0)
