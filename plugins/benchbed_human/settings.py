"""Settings of the human expert: only those of every method."""

from __future__ import annotations

from benchbed import MethodSettings


class HumanExpertSettings(MethodSettings):
    """Settings of the human expert: nothing can be set."""
