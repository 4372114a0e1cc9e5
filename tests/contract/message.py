"""SIP messages as our phones need them: parse, build, and answer a digest challenge. Pure; no sockets.

Text is decoded with surrogateescape, so that bytes that are no UTF-8 come out, and go out, as they are.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field

Headers = list[tuple[str, str]]

_SHORT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "c": "content-type",
}


class MalformedError(Exception):
    """These bytes are no SIP message."""


@dataclass(kw_only=True)
class Message:
    """One request or response. `method` and `uri` are empty in a response, `code` is 0 in a request."""

    method: str = ""
    uri: str = ""
    code: int = 0
    phrase: str = ""
    headers: Headers = field(default_factory=list)
    body: str = ""

    def all(self, name: str) -> list[str]:
        """The values of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next(iter(self.all(name)), "")

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self.one("call-id")

    @property
    def branch(self) -> str:
        """The branch of the topmost Via: which transaction this belongs to."""
        found = re.search(r";branch=([^;,\s]+)", self.one("via"))
        return found[1] if found else ""

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method of CSeq."""
        number, _, method = self.one("cseq").partition(" ")
        return int(number or 0), method.strip()

    def encode(self) -> bytes:
        """The bytes to send."""
        first = f"SIP/2.0 {self.code} {self.phrase}" if self.code else f"{self.method} {self.uri} SIP/2.0"
        body = self.body.encode(errors="surrogateescape")
        headers = [*self.headers, ("Content-Length", str(len(body)))]
        head = "\r\n".join([first, *(f"{name}: {value}" for name, value in headers)]) + "\r\n\r\n"
        return head.encode(errors="surrogateescape") + body


def parse(data: bytes) -> Message:
    """Read one message. Raises MalformedError."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = re.sub(r"\r\n[ \t]+", " ", head.decode(errors="surrogateescape")).split("\r\n")
    message = Message(body=body.decode(errors="surrogateescape"))
    words = first.split(" ", 2)
    if len(words) < 3:
        raise MalformedError(first)
    if words[0] == "SIP/2.0":
        message.code, message.phrase = int(words[1]), words[2]
    else:
        message.method, message.uri = words[0], words[1]
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedError(line)
        message.headers.append((_SHORT.get(name.strip().lower(), name.strip()), value.strip()))
    return message


def respond(
    request: Message, code: int, phrase: str, tag: str, extra: Headers | None = None, body: str = ""
) -> Message:
    """Return a response to `request`, with our `tag` in To if it has none yet."""
    to = request.one("to")
    if ";tag=" not in to and code > 100:
        to += f";tag={tag}"
    headers: Headers = [("Via", via) for via in request.all("via")]
    headers += [("Record-Route", route) for route in request.all("record-route")]
    headers += [("From", request.one("from")), ("To", to), ("Call-ID", request.call_id), ("CSeq", request.one("cseq"))]
    if body:
        headers.append(("Content-Type", "application/sdp"))
    return Message(code=code, phrase=phrase, headers=headers + (extra or []), body=body)


def address(header: str) -> tuple[str, str, str]:
    """Return display name, URI and tag of a From, To or Contact value."""
    found = re.match(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^<"]*?))\s*<([^>]*)>(.*)', header, re.DOTALL)
    if not found:
        uri, _, rest = header.partition(";")
        return "", uri.strip(), _tag(rest)
    quoted, plain, uri, rest = found.groups()
    name = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted is not None else plain
    return name, uri, _tag(rest)


def quoted(name: str) -> str:
    """Return a display name as it stands in a header."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def user_of(uri: str) -> str:
    """The user part of a SIP URI."""
    return re.sub(r"^sips?:", "", uri).partition("@")[0]


def authorize(challenge: str, method: str, uri: str, user: str, password: str) -> str:
    """Return the Authorization value for a Digest challenge (MD5, with or without qop=auth)."""
    asked = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
    secret, what = _md5(f"{user}:{realm}:{password}"), _md5(f"{method}:{uri}")
    said = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
    text = ", ".join(f'{key}="{value}"' for key, value in said.items())
    if "qop" in asked:
        once = secrets.token_hex(8)
        text += f', response="{_md5(f"{secret}:{nonce}:00000001:{once}:auth:{what}")}", qop=auth, nc=00000001, cnonce="{once}"'
    else:
        text += f', response="{_md5(f"{secret}:{nonce}:{what}")}"'
    return f"Digest {text}, algorithm=MD5"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()


def _tag(parameters: str) -> str:
    found = re.search(r";\s*tag=([^;\s]+)", parameters if parameters.startswith(";") else ";" + parameters)
    return found[1] if found else ""
