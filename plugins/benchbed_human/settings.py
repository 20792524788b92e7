"""Settings of the human expert: none but what every method has."""

from __future__ import annotations

from benchbed import MethodSettings


class HumanExpertSettings(MethodSettings):
    """Nothing can be set."""
