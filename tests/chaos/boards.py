"""Both switches behind a wire that can be cut, and with a switch that can be killed."""

from __future__ import annotations

from typing import Protocol

from fsqueue.config.model import Configuration
from tests.contract.lab import Board, EmbeddedBoard, RealBoard
from tests.contract.rawesl import Switch
from tests.contract.sip import Leg

from .proxy import Proxy

SWITCH_GONE = "SWITCH_GONE"
"""The cause of every call that was up when the switch died."""


class Breakable(Board, Protocol):
    """A board whose event socket is reached through `proxy`, and whose switch can die."""

    proxy: Proxy

    def crash(self) -> None:
        """Kill the switch and start it anew: every call is gone, every connection breaks."""


class Embedded(EmbeddedBoard):
    """The embedded switch behind a wire."""

    def start(self, configuration: Configuration) -> None:
        """Start it, and the wire."""
        super().start(configuration)
        self.proxy = Proxy(super().esl)
        self.proxy.start()

    @property
    def esl(self) -> int:
        """The near end of the wire."""
        return self.proxy.port

    def crash(self) -> None:
        """Forget every call and break every connection, as a restart does."""
        self._shell.settle()
        self._world.crash()
        self._shell.settle()

    def stop(self) -> None:
        """End the wire, and time."""
        self.proxy.stop()
        super().stop()


class Real(RealBoard):
    """A FreeSWITCH behind a wire."""

    def start(self, configuration: Configuration) -> None:
        """Start it, and the wire."""
        super().start(configuration)
        self.proxy = Proxy(self.switch.esl)
        self.proxy.start()

    @property
    def esl(self) -> int:
        """The near end of the wire."""
        return self.proxy.port

    def crash(self) -> None:
        """Kill FreeSWITCH (SIGKILL) and start it anew on the same ports; its phones register anew.

        SIP tells nobody: who was in a call hears nothing from this moment on, and hangs up.
        """
        assert self._esl is not None
        self._esl.close()
        self.switch.kill()
        self.proxy.cut()
        for leg in self._open_legs():
            leg.finish(SWITCH_GONE, "the switch")
        self.switch.start()
        self._esl = Switch(self.switch.esl, self.password)
        for phone in self._phones.values():
            phone.register()

    def _open_legs(self) -> list[Leg]:
        legs = [caller.leg for caller in self._callers] + [leg for one in self._phones.values() for leg in one.legs]
        return [leg for leg in legs if not leg.over.is_set()]

    def stop(self) -> None:
        """End the wire, and the switch."""
        self.proxy.stop()
        super().stop()
