"""The learner's progress, kept in the learner's own folder."""

import datetime
from collections.abc import Callable

from ..core import DataError, change_json, explain_os_errors, load_settings, read_json


class Progress:
    """Which exercises are solved, in `progress.json` of the learner's folder. Several notebooks may write at once."""

    def __init__(self) -> None:
        settings = load_settings()
        self.path = settings.progress or settings.home / "progress.json"

    def read(self) -> dict[str, str]:
        """Return the date of solving, by exercise. A damaged file is put aside, not overwritten.

        Raises `DataError` where the file is there and cannot be read.
        """
        with explain_os_errors(self.path, "read"):
            if not self.path.exists():
                return {}
            try:
                return {str(name): str(date) for name, date in read_json(self.path)["done"].items()}
            except (DataError, KeyError, TypeError, AttributeError) as error:
                if isinstance(error.__cause__, OSError):  # perhaps it can be read again in a moment
                    raise
            now = datetime.datetime.now()
            self.path.replace(self.path.with_name(f"progress.damaged.{now:%Y-%m-%d-%H-%M-%S-%f}.json"))
            return {}

    def mark_done(self, exercise: str) -> None:
        """Note that an exercise is solved; the first date stays."""
        self._change(lambda done: done.setdefault(exercise, datetime.date.today().isoformat()))

    def reset(self, exercise: str) -> None:
        """Forget that an exercise is solved."""
        self._change(lambda done: done.pop(exercise, None))

    def _change(self, change: Callable[[dict], object]) -> None:
        self.read()  # a damaged file makes room
        with change_json(self.path, {"done": {}}) as content:
            change(content["done"])
