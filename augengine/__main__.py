"""``python -m augengine``."""

from augengine.cli import main

main()
