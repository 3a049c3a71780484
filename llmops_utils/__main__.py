"""The command line: `python -m llmops_utils --help`."""

import sys
import traceback

if __name__ == "__main__":
    try:
        from .course.cli import main
    except Exception as error:  # a damaged package raises anything
        last = traceback.extract_tb(error.__traceback__)[-1].filename
        place = getattr(error, "path", None) or getattr(error, "filename", None) or last
        sys.exit(
            f"The packages of the course cannot be loaded, because of {place} ({type(error).__name__}: {error}).\n"
            "What to do: Where this is a file of yours with the name of a package, rename it or leave its folder out of "
            "PYTHONPATH. Else delete the folder .venv and run `python start.py setup`."
        )
    main()
