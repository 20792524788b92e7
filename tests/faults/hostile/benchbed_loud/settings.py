"""Settings that print on import."""

import os

from benchbed_hostile.settings import HostileSettings

print("importing settings")
os.system("echo printed by a shell")


class LoudSettings(HostileSettings):
    """Settings of the tiny LSGAN."""
