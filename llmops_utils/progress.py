"""The learner's progress, kept in the learner's own folder."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

from filelock import FileLock

from .settings import load_settings


class Progress:
    """Which exercises are solved, in `progress.json`. Several notebooks may write at once.

    Args:
        path: the file; default: in the folder of the settings.
    """

    def __init__(self, path: Path | None = None) -> None:
        settings = load_settings()
        self.path = path or settings.progress or settings.home / "progress.json"

    def read(self) -> dict[str, str]:
        """Return the date of solving, by exercise. A damaged file is put aside, not overwritten."""
        try:
            done = json.loads(self.path.read_text(encoding="utf-8"))["done"]
            return {str(name): str(date) for name, date in done.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.path.replace(self.path.with_name("progress.damaged.json"))
            return {}

    def mark_done(self, exercise: str) -> None:
        """Note that an exercise is solved; the first date stays."""
        self._change(lambda done: done.setdefault(exercise, datetime.date.today().isoformat()))

    def reset(self, exercise: str | None = None) -> None:
        """Forget one exercise, or all."""
        self._change(lambda done: done.pop(exercise, None) if exercise else done.clear())

    def _change(self, change) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name("progress.lock")):
            done = self.read()
            change(done)
            part = self.path.with_name("progress.part")
            part.write_text(json.dumps({"done": done}, indent=1), encoding="utf-8")
            os.replace(part, self.path)
