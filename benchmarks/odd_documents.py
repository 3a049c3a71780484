"""Odd Markdown pages and PDFs, drawn by a seed: what fails, what is lost of their text, and the time of a page.

python benchmarks/odd_documents.py 300 60
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests" / "fakes"))
from odd_pages import try_pages


def main() -> None:
    """Try so many pages of each kind and print what was found."""
    num_markdown, num_pdf = (int(argument) for argument in sys.argv[1:3] or ("300", "60"))
    for name, counts in (("Markdown", (num_markdown, 0)), ("PDF", (0, num_pdf))):
        started = time.perf_counter()
        found = try_pages(*counts)
        print(f"{sum(counts)} {name}: {len(found)} wrong, {(time.perf_counter() - started) / sum(counts):.3f} s a page")
        print("\n".join(found))


if __name__ == "__main__":
    main()
