"""``python -m augengine``."""

from augengine.cli.main import main

main()
