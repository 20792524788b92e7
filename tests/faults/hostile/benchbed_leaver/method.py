"""A method that calls sys.exit with a message on import."""

import sys

sys.exit("the method stops")
