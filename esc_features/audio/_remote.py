"""Recordings at URLs, which fsspec downloads to a temporary file."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..exceptions import AudioError

_URL = re.compile(r"[a-z][a-z0-9+.-]*(://|::)", re.IGNORECASE)
# Seconds between attempts, if a later one may succeed.
_WAITS = (0.5, 2.0, 5.0)
# Seconds that a server may take to accept the connection, and then to send something.
_CONNECT, _SILENCE = 30, 60

_logger = logging.getLogger("esc_features")


@dataclass(frozen=True)
class LocalFile:
    """The file on this machine that holds the bytes of a URL."""

    path: str
    temporary: bool

    def remove(self) -> None:
        """Remove the downloaded file; if it is open, it stays readable."""
        if self.temporary:
            Path(self.path).unlink(missing_ok=True)


def is_url(path: str) -> bool:
    """Return whether a path is a URL and not a file name.

    Parameters
    ----------
    path : str
        A path or URL.

    Returns
    -------
    bool
        True for ``http://...``, ``s3://...`` and the chained URLs of fsspec, such as ``simplecache::s3://...``.

    Examples
    --------
    >>> from esc_features.audio import is_url
    >>> is_url("https://host/a.wav"), is_url("C:/sounds/a.wav")
    (True, False)
    """
    return _URL.match(path) is not None


def download(url: str) -> LocalFile:
    """Download all bytes of a URL; raise AudioError if that fails."""
    files, place = _filesystem(url)
    if "file" in _names(files):
        return LocalFile(place, temporary=False)
    descriptor, name = tempfile.mkstemp(prefix="esc_features-")
    os.close(descriptor)
    local = LocalFile(name, temporary=True)
    try:
        _get(files, place, local.path, url)
    except BaseException:
        local.remove()
        raise
    return local


def _filesystem(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise AudioError(f'Reading {url!r} requires fsspec: pip install "esc_features[remote]".') from error
    try:
        return fsspec.core.url_to_fs(url, **_options(url))
    except (ImportError, ValueError, OSError) as error:
        raise AudioError(f"{url!r} cannot be opened: {error}.") from error


def _options(url: str) -> dict[str, Any]:
    protocol = url.partition("://")[0].lower()
    if not protocol.startswith("http"):
        return {}
    import aiohttp
    from fsspec.config import conf

    # Long recordings take longer than the five minutes that aiohttp allows; only a silent server has failed.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE)
    return {"client_kwargs": {"timeout": timeout, **conf.get(protocol, {}).get("client_kwargs", {})}}


def _names(files: Any) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


def _get(files: Any, place: str, local: str, url: str) -> None:
    for wait in (*_WAITS, None):
        try:
            files.get_file(place, local)
            return
        except FileNotFoundError as error:
            raise AudioError(f"{url!r} does not exist.") from error
        except Exception as error:  # each file system raises exceptions of its own
            reason = str(error).strip() or type(error).__name__
            if wait is None or not _may_pass(error):
                raise AudioError(
                    f"{url!r} cannot be downloaded: {reason.rstrip('.')}. Try again later, or get a copy."
                ) from error
            _logger.info("%s: %s; trying again in %s s", url, reason, wait)
            time.sleep(wait)


def _may_pass(error: Exception) -> bool:
    """Return whether the same request may succeed later: not if the server refuses this client."""
    status = getattr(error, "status", None)
    return not isinstance(error, PermissionError) and (status is None or status >= 500 or status == 429)
