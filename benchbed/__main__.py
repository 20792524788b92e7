"""``python -m benchbed``."""

from benchbed.cli.main import main

main()
