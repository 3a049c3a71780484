"""The learner's progress, kept in the learner's own folder."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

from filelock import FileLock

from ..core import DataError, load_settings


class Progress:
    """Which exercises are solved, in `progress.json`. Several notebooks may write at once.

    Args:
        path: the file; default: in the folder of the settings.
    """

    def __init__(self, path: Path | None = None) -> None:
        settings = load_settings()
        self.path = path or settings.progress or settings.home / "progress.json"

    def read(self) -> dict[str, str]:
        """Return the date of solving, by exercise. A damaged file is put aside, not overwritten.

        Raises:
            DataError: the file is there and cannot be read.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except UnicodeDecodeError:
            return self._put_aside()
        except OSError as error:
            raise self._explain(error) from error
        try:
            return {str(name): str(date) for name, date in json.loads(text)["done"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._put_aside()

    def _put_aside(self) -> dict[str, str]:
        places = [self.path.with_name(f"progress.damaged{number}.json") for number in ("", *range(2, 100))]
        self.path.replace(next((place for place in places if not place.exists()), places[-1]))
        return {}

    def _explain(self, error: OSError) -> DataError:
        return DataError(
            f"Your progress in {self.path} cannot be read or written ({error.strerror or error}).",
            "Set LLMOPS_HOME to a folder that you may write to.",
        )

    def mark_done(self, exercise: str) -> None:
        """Note that an exercise is solved; the first date stays."""
        self._change(lambda done: done.setdefault(exercise, datetime.date.today().isoformat()))

    def reset(self, exercise: str | None = None) -> None:
        """Forget one exercise, or all."""
        self._change(lambda done: done.pop(exercise, None) if exercise else done.clear())

    def _change(self, change) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_name("progress.lock")):
                done = self.read()
                change(done)
                part = self.path.with_name("progress.part")
                part.write_text(json.dumps({"done": done}, indent=1), encoding="utf-8")
                os.replace(part, self.path)
        except OSError as error:
            raise self._explain(error) from error
