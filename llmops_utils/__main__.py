"""The command line: `python -m llmops_utils --help`."""

import sys

if __name__ == "__main__":
    try:
        from .course.cli import main
    except Exception as error:  # a damaged package raises anything
        frame = error.__traceback__
        while frame.tb_next is not None:
            frame = frame.tb_next
        place = getattr(error, "path", "") or getattr(error, "filename", "") or frame.tb_frame.f_code.co_filename
        sys.exit(
            f"The packages of the course cannot be loaded, because of {place} ({type(error).__name__}: {error}).\n"
            "What to do: Where this is a file of yours with the name of a package, rename it or leave its folder out of "
            "PYTHONPATH. Else delete the folder .venv and run `python start.py setup`."
        )
    main()
