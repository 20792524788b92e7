"""A method that leaves as scripts do."""

import sys

sys.exit("this method has had enough")
