"""What listens to AutoGen's event logger: attaching, detaching, and never taking an agent down."""

from __future__ import annotations

import logging
import threading

from autogen_core import EVENT_LOGGER_NAME
from typing_extensions import Self

from ..warn import WarnOnce

# The level of an event logger that was opened here, one below INFO: a level that nobody else sets, so that it shows
# whether the user set another since.
_OPENED = logging.INFO - 1


class _Opening:
    """Lets INFO events through while someone listens, and only to the handlers that the event logger itself has."""

    # AutoGen's events hold the texts of messages. Were its logger just set to INFO, they would all go on to the root
    # logger's handlers, and a program that prints its warnings would print its conversations.

    def __init__(self) -> None:
        self._logger = logging.getLogger(EVENT_LOGGER_NAME)
        self._lock = threading.Lock()
        self._listeners = 0
        self._level = logging.NOTSET
        self._floor = logging.NOTSET

    def open(self) -> None:
        with self._lock:
            self._listeners += 1
            floor = self._logger.getEffectiveLevel()
            if floor > logging.INFO:
                self._level, self._floor = self._logger.level, floor
                self._logger.setLevel(_OPENED)
                self._logger.addFilter(self._keep_here)

    def close(self) -> None:
        with self._lock:
            self._listeners -= 1
            if self._listeners:
                return
            self._logger.removeFilter(self._keep_here)
            if self._logger.level == _OPENED:
                self._logger.setLevel(self._level)

    def _keep_here(self, record: logging.LogRecord) -> bool:
        if record.levelno >= self._floor or self._logger.level != _OPENED:  # it would have come through anyway
            return True
        for handler in tuple(self._logger.handlers):
            if record.levelno >= handler.level:
                handler.handle(record)
        return False


_opening = _Opening()


class EventListener(logging.Handler):
    """A handler of AutoGen's event logger; what it cannot handle costs one warning and nothing else."""

    # Attaching makes INFO events reach the handlers of that logger, and no others: what the root logger prints stays as
    # it was. When the last listener is detached, the logger has its level back.

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._warn = WarnOnce()
        self._attached = False

    def attach(self) -> Self:
        """Listen from now on; once is enough."""
        if not self._attached:
            self._attached = True
            logging.getLogger(EVENT_LOGGER_NAME).addHandler(self)
            _opening.open()
        return self

    def detach(self) -> None:
        """Listen no longer."""
        if self._attached:
            self._attached = False
            logging.getLogger(EVENT_LOGGER_NAME).removeHandler(self)
            _opening.close()

    def __enter__(self) -> Self:
        return self.attach()

    def __exit__(self, *error: object) -> None:
        self.detach()

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record of the event logger."""
        try:
            self.hear(record.msg)
        except Exception as error:  # it runs inside the agent's call
            self._warn("hear", f"{type(self).__name__} could not take an event ({error!r}); others may be missing, too")

    def hear(self, event: object) -> None:
        """Take one event, of whatever kind."""
        raise NotImplementedError
