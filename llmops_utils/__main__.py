"""The command line: `python -m llmops_utils --help`."""

from .course.cli import main

if __name__ == "__main__":
    main()
