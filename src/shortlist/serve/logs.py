"""Where a service logs: to a file of bounded size, or to the terminal."""

import logging
import logging.handlers
from pathlib import Path

from shortlist.errors import ServiceError

_FILE_BYTES, _KEPT_FILES = 5_000_000, 3
_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def log_to_terminal() -> None:
    """Lines on stderr."""
    _begin(logging.StreamHandler())


def log_to_file(path: Path) -> None:
    """At most four files of 5 MB: `service.log`, then `service.log.1` and older. Raises ServiceError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=_FILE_BYTES, backupCount=_KEPT_FILES)
    except OSError as error:
        raise ServiceError(
            f"{path} cannot be written: {error.strerror}", hint="mend the rights of SHORTLIST_HOME"
        ) from None
    _begin(handler)


def _begin(handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter(_FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its own start and stop are told by ours
    logging.raiseExceptions = False  # a full disk stops the log, not the service
