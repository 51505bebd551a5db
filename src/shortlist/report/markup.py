"""HTML and SVG by hand, escaped by type: whatever is not `Markup` is a stranger's text and becomes inert.

There is no other way from a string to markup in this package, so that forgetting to escape shows tags and runs nothing.
"""

import html

from shortlist.report.escape import visible

_VOID = frozenset({"br", "meta", "line", "rect", "circle", "path", "use", "hr"})


class Markup(str):
    """Text that is already HTML or SVG. Only this module and its callers' constant strings make it."""

    __slots__ = ()


Child = str | None
"""`Markup` goes in as it is, a plain string is escaped, None is nothing."""


def escaped(text: str) -> Markup:
    """A stranger's text inside an element or an attribute; what cannot be seen stands as an escape."""
    return Markup(html.escape(visible(text)))


def joined(*children: Child) -> Markup:
    """The children one after the other."""
    return Markup("".join(c if isinstance(c, Markup) else escaped(c) for c in children if c))


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """An element. `class_` is `class`, an underscore in a name is a hyphen, an attribute of None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(visible(str(value), keep=""))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{given}>" if name in ("br", "meta", "hr") else f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{joined(*children)}</{name}>")
