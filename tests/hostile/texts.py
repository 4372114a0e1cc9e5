"""What a caller might call himself, and what he might put into his INVITE: repeatable by a seed."""

from __future__ import annotations

from random import Random

Headers = list[tuple[str, str]]

EVIL = "Evil"
"""Stands in every header that a caller adds, and in what his name would smuggle in: nothing of ours may carry it but a name."""

_BITS = (
    *(
        "${system(id)}",
        "$${hostname}",
        "${create_uuid()}",
        "%0D%0AX-Evil%3A 1",
        "%0A",
        "%0D",
        "%00",
        "%",
        "%%41",
        "%E9",
    ),
    *(
        "\\",
        "\\\\",
        "\\r\\n",
        "'",
        '"',
        "`",
        ",",
        ";",
        "|",
        ":_:",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "<sip:evil@127.0.0.1>",
    ),
    *("{fsqueue_owner=evil}", "[sip_h_X-Evil=1]", "origination_nested_vars=true", "^^:", "^", "&park()", "&system(id)"),
    *(
        " inline",
        " XML default",
        "sofia/internal/evil@127.0.0.1",
        ",sofia/internal/evil",
        "loopback/evil",
        "error/busy",
    ),
    *(
        "Content-Length: 0",
        "Event-Name: SHUTDOWN",
        "Unique-ID",
        "variable_evil: yes",
        "fsq1|fsqueue|call|x|y|0",
        "Job-UUID: x",
    ),
    *(
        "=",
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t",
        "#",
        "?",
        "&",
        "!",
        "(",
        ")",
        "→",
        "*",
        "~",
        "/../",
        "..",
        "//",
        "--",
        "[bold]",
    ),
    *(
        "Zażółć gęślą jaźń",
        "Łódź",
        "日本語",
        "🤖",
        "é",
        "e\u0301",
        "\u202e",
        "\u200b",
        "\ufeff",
        "\u00ad",
        "ﬁ",
        "Ω",
        "\u0600",
    ),
    *("O'Brien", "Ala", "x", "  ", " ", "a b", "Smith, J.", "null", "true", "anonymous", "unknown"),
)
_CONTROLS = ("\x1b[2J", "\x1b]0;x\x07", "\x9b31m", "\x7f", "\x01", "\x08", "\x0b", "\u2028", "\u2029", "\x85")
_RAW = ("\r\n", "\n\n", "\r", "\x00", "\nbgapi shutdown\n\n", "\r\nX-Evil: 1")
"""What cannot stand in a SIP header's line; the embedded switch takes it from its callers all the same."""


def names(seed: int, count: int, *, raw: bool) -> list[str]:
    """Return *count* names of random pieces, up to some hundred characters; *raw* with what no SIP message can carry."""
    rng = Random(seed)
    alphabet = [*_BITS, *_CONTROLS, *(_RAW if raw else ())]
    found = []
    for at in range(count):
        pieces = [rng.choice(alphabet) for _ in range(rng.choice((1, 2, 3, 5, 8, 40)))]
        text = "".join(pieces)
        # Each is there once, so that a phone's call is known by it even where the switch shows half of it.
        found.append(f"{at}{text}" if rng.random() < 0.5 else f"{text}{at}")
    return found


def numbers(seed: int, count: int) -> list[str]:
    """Return *count* user parts of SIP addresses: plain numbers and what may legally be written there."""
    rng = Random(seed + 1)
    bits = (
        "+48",
        "600",
        "%0D%0AX-Evil%3A1",
        "%22",
        "%00",
        "%20",
        "*",
        "%23",
        "!",
        "~",
        "'",
        "(",
        ")",
        "&",
        "=",
        "$",
        ",",
        "a",
    )
    return [f"6{at:05}" + "".join(rng.choice(bits) for _ in range(rng.choice((0, 0, 1, 3)))) for at in range(count)]


def headers(seed: int, count: int) -> list[Headers]:
    """Return *count* sets of headers that a caller adds to his INVITE, all with `EVIL` in their values."""
    rng = Random(seed + 2)
    pool: Headers = [
        ("X-Evil", f"{EVIL}${{system(id)}}"),
        ("X-fsqueue_owner", EVIL),
        ("X-FS-Support", f"update_display,{EVIL}"),
        ("P-Evil", EVIL),
        ("Subject", f"{EVIL} {{fsqueue_to=evil}}"),
        ("Call-Info", f"<sip:{EVIL}@127.0.0.1>;answer-after=0"),
        ("Alert-Info", f"<http://127.0.0.1/{EVIL}>;info=alert-autoanswer"),
        ("Organization", EVIL),
        ("User-Agent", f"{EVIL}/1.0 'quoted' ${{hostname}}"),
        ("Diversion", f'"{EVIL}" <sip:{EVIL}@127.0.0.1>;reason=unconditional'),
        ("History-Info", f"<sip:{EVIL}@127.0.0.1>;index=1"),
        ("P-Charging-Vector", f"icid-value={EVIL}"),
        ("Geolocation", f"<cid:{EVIL}@127.0.0.1>"),
        ("User-to-User", f"{EVIL};encoding=hex"),
        ("Reason", f'SIP;cause=200;text="{EVIL}"'),
        ("X-Origination_uuid", f"{EVIL},origination_caller_id_name=x"),
    ]
    return [rng.sample(pool, rng.choice((0, 1, 3, len(pool)))) for _ in range(count)]
