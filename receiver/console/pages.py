"""What every page of the console needs: how it is added, the stores it reads, and how it is answered."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, current_app, flash, make_response, redirect, render_template, request, url_for
from markupsafe import Markup

from receiver.console.stores import Stores

STORES = "console_stores"
ROWS_ON_A_PAGE = 50
View = Callable[..., Any]


class Pages:
    """Adds pages to the blueprint. A page that acts is for operators, and takes nothing but a POST."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self.acting: set[str] = set()

    def page(self, path: str, view: View, *, method: str = "GET") -> None:
        self._blueprint.add_url_rule(path, view.__name__, view, methods=(method,), provide_automatic_options=False)

    def action(self, path: str, view: View) -> None:
        self.acting.add(f"{self._blueprint.name}.{view.__name__}")
        self.page(path, view, method="POST")

    def operators_page(self, path: str, view: View) -> None:
        self.acting.add(f"{self._blueprint.name}.{view.__name__}")
        self.page(path, view)


def stores() -> Stores:
    opened: Stores = current_app.extensions[STORES]
    return opened


def rendered(template: str, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response:
    return make_response(render_template(template, **values), status)


def problem(status: HTTPStatus, kind: str = "") -> Response:
    """Return a page that says why there is no other."""
    return rendered("problem.html", status, code=status.value, kind=kind)


def redirect_with(text: Markup, endpoint: str, **values: Any) -> Response:
    """Return the answer to a form that did something: `text`, on another page."""
    flash(text)
    return make_response(redirect(url_for(f"console.{endpoint}", **values), HTTPStatus.SEE_OTHER))


def parameter(name: str, characters_max: int = 1024) -> str:
    """Return what stands in the address or the form under `name`; '' if it is too long.

    People fill in forms, so blanks around it do not count there. In an address they may be of an id.
    """
    text = request.args.get(name) or request.form.get(name, "").strip()
    return text if len(text) <= characters_max and "\0" not in text else ""


def number_parameter(name: str) -> int | None:
    """Return a whole number of the address, None if there is none."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
