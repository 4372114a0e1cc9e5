"""Where a FreeSWITCH gets its dialplan from: its own files, or somebody who is asked for it at every call.

A module that is bound to the dialplan's section is asked first; the files count only where it says that it has nothing. What
`xml_locate` shows is then what such a one says to a question without a call, which may be nothing, or something else: FusionPBX
answers it with its context `public`, so FreeSWITCH shows the file's context though no call ever comes there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from fsqueue.switch.live_dialplan import Element, read

Kind = Literal["files", "xml_curl", "lua", "fusionpbx"]

Ask = Callable[[str], str]
"""Asks FreeSWITCH an API command."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked for the dialplan. `where`: the address or script, for people."""

    kind: Kind = "files"
    where: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        names = {
            "files": "its files",
            "xml_curl": f"mod_xml_curl ({self.where})",
            "lua": f"a Lua script ({self.where})",
        }
        return names.get(self.kind, "FusionPBX's database")


def dialplan_source(ask: Ask) -> Source:
    """Find out who is asked first; *ask* may raise what it likes."""
    if _loaded(ask, "mod_lua") and (script := _lua(_configuration(ask, "lua.conf"))):
        # FusionPBX's handler is `app.lua xml_handler`, in newer versions `app/xml_handler/index.lua`.
        return Source(kind="fusionpbx" if "xml_handler" in script else "lua", where=script)
    if _loaded(ask, "mod_xml_curl") and (url := _curl(_configuration(ask, "xml_curl.conf"))):
        return Source(kind="xml_curl", where=url)
    return Source()


def _loaded(ask: Ask, module: str) -> bool:
    return ask(f"module_exists {module}").strip() == "true"


def _configuration(ask: Ask, name: str) -> list[Element]:
    """Return every param of a module's configuration."""
    live = read(ask(f"xml_locate configuration configuration name {name}"))
    return list(_params(live)) if live is not None else []


def _params(element: Element) -> Iterator[Element]:
    if element.tag == "param":
        yield element
    for child in element.children:
        yield from _params(child)


def _lua(params: list[Element]) -> str:
    values = {one.get("name"): one.get("value") for one in params}
    return values.get("xml-handler-script", "") if _bound(values.get("xml-handler-bindings", "")) else ""


def _curl(params: list[Element]) -> str:
    for one in params:
        # Without a list of its own a binding is for everything.
        if one.get("name") == "gateway-url" and _bound(one.get("bindings") or "dialplan"):
            parts = urlsplit(one.get("value"))
            # A password may stand in it.
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return ""


def _bound(bindings: str) -> bool:
    return "dialplan" in re.split(r"[,|\s]+", bindings)
