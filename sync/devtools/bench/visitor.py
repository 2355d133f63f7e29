"""Somebody with a browser at the console: keeps a connection and a cookie, follows links and fills in forms."""

import html
import http.client
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urljoin

from sync.devtools.dev.processes import DevelopmentError

HTTP_SECONDS = 30
LOGIN = "/console/login"
_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
_LINK = re.compile(r'href="([^"#]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSeen:
    """An answer: what a browser got, and after how many seconds all of it was there."""

    path: str
    status: int
    body: bytes
    seconds: float

    @property
    def links(self) -> list[str]:
        """The addresses on this machine that the page leads to."""
        urls = (urljoin(self.path, html.unescape(link)) for link in _LINK.findall(self.body.decode()))
        return [link for link in urls if link.startswith("/")]


class Visitor:
    """One person. Not for several threads at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HTTP_SECONDS)
        self._cookie = ""
        self._token = ""

    def sign_in(self, name: str, password: str) -> float:
        """Sign in, and return how many seconds the password took. Raises DevelopmentError if that is refused."""
        self.see(LOGIN)
        seen = self.see(LOGIN, {"name": name, "password": password})
        if seen.status != http.client.SEE_OTHER:
            raise DevelopmentError(f"the console let nobody in: it answered {seen.status}")
        return seen.seconds

    def other_window(self) -> "Visitor":
        """Return the same person with a connection of their own."""
        other = Visitor(self._port)
        other._cookie, other._token = self._cookie, self._token
        return other

    def see(self, path: str, form: Mapping[str, str] | None = None) -> PageSeen:
        """Return the answer to a GET of `path`, or to a `form` sent there. Raises DevelopmentError if none comes."""
        headers = {"Cookie": self._cookie} if self._cookie else {}
        body = None
        if form is not None:
            body = urlencode({**form, "form_token": self._token})
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        begun = time.perf_counter()
        try:
            self._connection.request("GET" if form is None else "POST", path, body, headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise DevelopmentError(f"the console did not answer ({type(error).__name__})") from None
        seconds = time.perf_counter() - begun
        if cookie := response.headers.get("Set-Cookie"):
            self._cookie = cookie.partition(";")[0]
        if match := _TOKEN.search(content.decode()):
            self._token = match[1]
        return PageSeen(path=path, status=response.status, body=content, seconds=seconds)

    def close(self) -> None:
        self._connection.close()
