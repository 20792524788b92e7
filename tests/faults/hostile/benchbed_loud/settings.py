"""Settings that talk when they are imported."""

import os

from benchbed_hostile.settings import HostileSettings

print("so are my settings")
os.system("echo and a shell of theirs")


class LoudSettings(HostileSettings):
    """Those of a method that is a tiny LSGAN."""
