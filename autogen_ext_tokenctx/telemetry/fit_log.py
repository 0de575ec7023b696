"""A log of fits: one JSON object a line.

It shows no word of any message unless it is asked to, with ``texts=True``; then what looks like a secret is taken out
and long texts are clipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from autogen_core.models import LLMMessage

from ..context.events import FitEvent
from ..forms.form import FitStep, Form
from .listening import EventListener
from .redaction import redact, shown

LOG_VERSION = 1  # of the format, in the first line


class FitLog(EventListener):
    """Appends one JSON object a line for each fitted call to a file, after a line that names the format.

    A line is written whole and at once, so that the file can be read, and appended to by other processes, at any
    time. When the file cannot be written any more, there is one warning, and the agents go on.

    Args:
        path: The file. It is made if it is not there; its folder is not.
        texts: Log the messages that came in and those that went out, too.

    Raises:
        ValueError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, FitLog(Path(folder, "fits.jsonl")) as log:
        ...     log.path.read_text()  # run the team
        '{"type": "TokenctxLog", "version": 1}\\n'
    """

    def __init__(self, path: str | Path, *, texts: bool = False) -> None:
        super().__init__()
        self.path = Path(path).expanduser()
        """The file that is written."""
        self._texts = texts
        self._torn = False
        self._file: FileIO | None = None
        try:
            self._opened()
        except OSError as error:
            self._close_file()
            raise ValueError(
                f"the log {self.path} cannot be written ({error.strerror or error}); "
                "give FitLog a file in a folder that exists and that this process may write to"
            ) from error

    def detach(self) -> None:
        """Listen no longer, and close the file; when this is attached again, it is appended to."""
        super().detach()
        self._close_file()

    def close(self) -> None:
        """Close the file, as ``logging.shutdown`` does at the end of the process."""
        self._close_file()
        super().close()

    def hear(self, event: object) -> None:
        """Log a fit; other events are not looked at."""
        if not isinstance(event, FitEvent):
            return
        try:
            self._write(self._line(event).encode())
        except OSError as error:
            self._warn("write", f"fits cannot be logged to {self.path} any more ({error.strerror or error})")

    def _line(self, event: FitEvent) -> str:
        texts = {"history": _logged(event.history), "view": _logged(event.view)} if self._texts else None
        return json.dumps({**event.as_dict(), "steps": list(map(self._step, event.report.steps)), "texts": texts})

    def _step(self, step: FitStep) -> dict[str, int | str]:
        written = step.as_dict()
        if step.form is Form.RECALLED:  # its reason names the words that were asked for
            written["why"] = redact(step.why) if self._texts else "lines that the task asks for"
        return written

    def _write(self, line: bytes) -> None:
        file = self._opened()
        left = memoryview((b"\n" if self._torn else b"") + line + b"\n")
        self._torn = True  # until all of it is there
        while left:
            written = file.write(left)
            if not written:
                raise OSError("nothing more is taken")
            left = left[written:]
        self._torn = False

    def _opened(self) -> FileIO:
        """Return the file, opened at the first use."""
        if self._file is None:  # without a buffer: what was refused once is not kept and tried again
            self._file = FileIO(self.path, "a", opener=private)
            size = os.fstat(self._file.fileno()).st_size
            self._torn = size > 0 and self.path.is_file() and not _ends_a_line(self.path, size)
            if size == 0:
                self._write(json.dumps({"type": "TokenctxLog", "version": LOG_VERSION}).encode())
        return self._file

    def _close_file(self) -> None:
        self.acquire()
        try:
            if self._file is not None:
                self._file.close()
                self._file = None
        finally:
            self.release()


def private(path: str, flags: int) -> int:
    """Open a file that, where it is made, nobody but its owner can read."""
    return os.open(path, flags, 0o600)


def _ends_a_line(path: Path, size: int) -> bool:
    """Return whether a file ends with a whole line, and not with one whose process died while it wrote."""
    with path.open("rb") as file:
        file.seek(size - 1)
        return file.read(1) == b"\n"


def _logged(messages: Sequence[LLMMessage]) -> list[dict[str, str]]:
    # whole messages mostly, and a line far below what the reader takes; chosen, not measured
    return [{"who": who, "text": text} for who, text in (shown(message, 20_000) for message in messages)]
