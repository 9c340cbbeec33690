"""python -m gcsl_data: the same program as gcsl-data."""

from gcsl_data.cli import main

main()
