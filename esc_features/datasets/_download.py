"""Downloading small files from a server that is not trusted."""

import random
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import requests
import urllib3

from ..exceptions import DownloadError

#: Returns what is wrong with the content of a file, or None.
Problem = Callable[[bytes], str | None]


class Refused(DownloadError):
    """The server answered, and another attempt will not help."""


class Failed(DownloadError):
    """Several attempts failed; a later one may work."""


class Mirror:
    """A place with the files of a data set: a URL (https, or http if the user gives one) or a local folder.

    A mirror controls only the content of files: the caller gives the names to write, and redirects from https to
    anything else are refused.
    """

    connect_timeout = 10.0  # seconds
    stall_timeout = 30.0  # seconds without a byte
    whole_timeout = 300.0  # seconds for one file
    pauses = (1.0, 2.0, 4.0)  # seconds before the second and later attempts
    connections = 8

    def __init__(self, place: str):
        self.place = place.rstrip("/")
        scheme = urllib.parse.urlsplit(self.place).scheme.lower()
        if scheme in ("http", "https"):
            self.folder = None
        elif scheme == "file" or Path(place).expanduser().is_dir():
            path = urllib.request.url2pathname(urllib.parse.urlsplit(self.place).path)
            self.folder = Path(path if scheme == "file" else place).expanduser()
        else:
            raise DownloadError(
                f"The mirror {place!r} is neither an https:// or http:// address nor a folder. Give one of these."
            )
        self.schemes = ("https", "http") if scheme == "http" else ("https",)
        self.stop = threading.Event()
        self.session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=self.connections)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    def __str__(self) -> str:
        parts = urllib.parse.urlsplit(self.place)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def get(self, name: str, limit: int, problem: Problem) -> bytes:
        """Return a file of at most `limit` bytes in which `problem` finds no fault; retry if that may help."""
        if self.folder:
            return _read(self.folder / name, limit, problem)
        for pause in (*self.pauses, None):
            wait = 0.0
            try:
                return self._ask(f"{self.place}/{name}", limit, problem)
            except _TryAgain as error:
                trouble, wait = str(error), error.wait
            except (requests.exceptions.SSLError, ValueError) as error:  # ValueError: a malformed address
                raise Refused(str(error)) from error
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                trouble = _plainly(error)
            if pause is None or self.stop.wait(max(wait, pause * random.uniform(0.75, 1.25))):
                break
        raise Failed(f"{trouble}, after {len(self.pauses) + 1} attempts")

    def _ask(self, url: str, limit: int, problem: Problem) -> bytes:
        for _ in range(5):
            # Redirects are followed here: requests would also go from https to http, and would read the body of a
            # redirect into memory, however long it is.
            with self.session.get(
                url,
                stream=True,
                allow_redirects=False,
                headers={"Accept-Encoding": "identity"},
                timeout=(self.connect_timeout, self.stall_timeout),
            ) as response:
                if not response.is_redirect:
                    return self._receive(response, limit, problem)
                url = urllib.parse.urljoin(url, response.headers["Location"])
            if urllib.parse.urlsplit(url).scheme.lower() not in self.schemes:
                raise Refused(f"redirected to {url!r}, which is not {' or '.join(self.schemes)}")
        raise Refused("redirected more than five times")

    def _receive(self, response: requests.Response, limit: int, problem: Problem) -> bytes:
        status = f"{response.status_code} {response.reason}"
        if response.status_code in (408, 425, 429, 500, 502, 503, 504):
            wait = response.headers.get("Retry-After", "")
            raise _TryAgain(status, float(wait) if wait.isdecimal() else 0.0)
        if response.status_code != 200:
            raise Refused(status)
        announced = response.headers.get("Content-Length", "")
        length = int(announced) if announced.isdecimal() else None
        body = bytearray()
        deadline = time.monotonic() + self.whole_timeout
        # read1 returns what has arrived, so that the deadline also applies to a server that sends a few bytes a time.
        read = getattr(response.raw, "read1", response.raw.read)
        while len(body) <= limit and (length is None or length <= limit):
            block = read(1 << 16)
            if not block:
                break
            body += block
            if time.monotonic() > deadline:
                raise _TryAgain(f"{len(body)} bytes after {self.whole_timeout:g} s, too slow")
        else:
            raise Refused(f"more than {limit} bytes, so it cannot be the file")
        if length is not None and len(body) != length:
            raise _TryAgain(f"cut short: {len(body)} of {length} bytes")
        fault = problem(bytes(body))
        if fault and length is None:
            raise _TryAgain(fault)
        if fault:
            raise Refused(fault)
        return bytes(body)


def _read(path: Path, limit: int, problem: Problem) -> bytes:
    try:
        with path.open("rb") as handle:
            body = handle.read(limit + 1)
    except OSError as error:
        raise Refused(error.strerror or str(error)) from error
    fault = f"more than {limit} bytes, so it cannot be the file" if len(body) > limit else problem(body)
    if fault:
        raise Refused(fault)
    return body


class _TryAgain(Exception):
    """A failure after which another attempt may succeed."""

    def __init__(self, what: str, wait: float = 0.0):
        super().__init__(what)
        self.wait = min(wait, 60.0)


def _plainly(error: Exception) -> str:
    """Describe a network error in a few words."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time (stalled)"
    if isinstance(error, requests.exceptions.ConnectionError):
        reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
        return f"no connection ({str(reason).rpartition(': ')[2]})"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return f"cut short ({error.args[0]})"
    return f"connection lost ({error})"
