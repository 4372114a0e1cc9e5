"""Who is registered where: the phones that the switch knows, and what it says when that changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fsqueue.simswitch.actors import Phone, User
from fsqueue.simswitch.people import PhoneScript

if TYPE_CHECKING:
    from fsqueue.simswitch.world import World

NOT_REGISTERED = "error/user_not_registered"


class Registrar:
    """Users by `user@domain`, their phones, and which of those are registered."""

    def __init__(self, world: World) -> None:
        """Know nobody yet."""
        self._world = world
        self.users: dict[str, User] = {}
        self.phones: dict[str, list[Phone]] = {}
        self._registered: dict[str, list[Phone]] = {}
        self._port = 7000

    def add(self, script: PhoneScript) -> list[Phone]:
        """Add a user with his phones, registered if the script says so; return the phones. Raises ValueError for one known already."""
        if script.name in self.users:
            raise ValueError(f"{script.name} has phones already")
        user = self.users[script.name] = User(script)
        phones = self.phones[script.name] = []
        self._registered[script.name] = []
        for _ in range(script.contacts):
            self._port += 1
            phones.append(Phone(self._world, user, f"sip:{script.user}@127.0.0.1:{self._port}"))
        if script.registered:
            for phone in phones:
                self.register(phone)
        return phones

    def register(self, phone: Phone) -> None:
        """Register one phone, or let it register again."""
        known = self._registered[phone.who]
        if phone not in known:
            known.append(phone)
        script = phone.user.script
        self._say(
            "sofia::register",
            {
                "profile-name": "internal",
                "from-user": script.user,
                "from-host": script.domain,
                "presence-hosts": "n/a",
                "contact": f'"" <{phone.contact}>',
                "status": "Registered(UDP)",
                "expires": "3600",
                "to-user": script.user,
                "to-host": script.domain,
                "username": script.user,
                "realm": script.domain,
            },
        )

    def unregister(self, phone: Phone) -> None:
        """Let a phone take its registration back."""
        if self._forget(phone):
            script = phone.user.script
            self._say(
                "sofia::unregister",
                {
                    "profile-name": "internal",
                    "username": "unknown",
                    "from-user": script.user,
                    "from-host": script.domain,
                    "contact": f'"" <{phone.contact}>',
                    "expires": "0",
                },
            )

    def expire(self, phone: Phone) -> None:
        """Let a registration run out; the event has other names than the other two."""
        if self._forget(phone):
            script = phone.user.script
            self._say(
                "sofia::expire",
                {
                    "profile-name": "internal",
                    "user": script.user,
                    "host": script.domain,
                    "contact": f'"" <{phone.contact}>',
                    "expires": str(int(self._world.now) - 75),
                },
            )

    def contacts(self, user: str) -> str:
        """Return what `sofia_contact */USER@DOMAIN` says: a comma list, or an error in the switch's words."""
        phones = self._registered.get(user, [])
        return ",".join(f"sofia/internal/{phone.contact}" for phone in phones) or NOT_REGISTERED

    def rows(self) -> list[dict[str, str]]:
        """Return what `show registrations` lists: one row per user, however many phones he has."""
        return [
            {
                "reg_user": phones[0].user.script.user,
                "realm": phones[0].user.script.domain,
                "url": f"sofia/internal/{phones[0].contact}",
            }
            for phones in self._registered.values()
            if phones
        ]

    def resolve(self, address: str) -> tuple[Phone | None, str, dict[str, str]] | str:
        """Return the phone behind one dial string (None: nobody is there), the channel's name and the variables that come with it.

        Returns the cause instead where there is no channel at all.
        """
        if address.startswith("error/"):
            return "USER_NOT_REGISTERED" if address == NOT_REGISTERED else "DESTINATION_OUT_OF_ORDER"
        if address.startswith("user/"):
            return self._user(address.removeprefix("user/"))
        if match := re.fullmatch(r"sofia/gateway/([^/]+)/(.+)", address):
            name = f"sofia/external/{match[2]}"
            known = self.phones.get(f"{match[2]}@{match[1]}") or next(
                (phones for phones in self.phones.values() if phones[0].user.script.user == match[2]), None
            )
            return (known[0] if known else None), name, {}
        if match := re.fullmatch(r"sofia/[^/]+/(?:sip:)?([^@]+@[^;>]+)(.*)", address):
            phone = next((p for ps in self.phones.values() for p in ps if p.contact == f"sip:{match[1]}"), None)
            return phone, f"sofia/internal/{match[1]}", {}
        return "CHAN_NOT_IMPLEMENTED"

    def _user(self, user: str) -> tuple[Phone | None, str, dict[str, str]] | str:
        if user not in self.users:
            return "SUBSCRIBER_ABSENT"
        phones = self._registered[user]
        if not phones:
            return "USER_NOT_REGISTERED"
        script = self.users[user].script
        variables = {"presence_id": user, "dialed_user": script.user, "dialed_domain": script.domain}
        return phones[0], f"sofia/internal/{phones[0].contact.removeprefix('sip:')}", variables

    def _forget(self, phone: Phone) -> bool:
        known = self._registered[phone.who]
        if phone not in known:
            return False
        known.remove(phone)
        return True

    def _say(self, subclass: str, headers: dict[str, str]) -> None:
        self._world.emit("CUSTOM", {"Event-Subclass": subclass, **headers})
