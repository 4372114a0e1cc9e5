"""Where a member's phones are: FreeSWITCH is asked at every offer, and as early as the offer is decided.

``user/…`` with an origination_uuid rings the first contact only, and fails if that one is dead, so contacts are asked for and each
gets an originate of its own. To ring where he was heard last would save the question, but its answer is proof too that the switch
hears us now: without it phones rang on behalf of callers who had gone while the link stalled (seen in 4 of 6 runs of chaos).
The question harms nothing, so it need not wait for the journal's word as the originate does: the two take their 2 ms side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fsqueue.engine.messages import Ring
from fsqueue.switch import quoting
from fsqueue.switch.context import Context

FRESH_SECONDS = 0.05
"""How old an answer may be when its Ring comes, some 1 ms after it was asked for. Where we, or the disk, were held up in between, it
proves nothing: with 0.5 s a failing disk, which holds up a Ring for 0.2, had phones ring for callers who had gone (chaos)."""


@dataclass(slots=True)
class _Question:
    user: str
    asked: float
    answer: str | None = None
    then: Callable[[str], None] | None = None


class Whereabouts:
    """The questions that are out, by offer."""

    def __init__(self, ctx: Context) -> None:
        """Begin with none."""
        self._ctx = ctx
        self._questions: dict[str, _Question] = {}

    def __len__(self) -> int:
        """Return how many there are, answered or not."""
        return len(self._questions)

    def foresee(self, ring: Ring) -> None:
        """Ask for the member of an offer whose Ring will follow; what can't be asked is left to it."""
        phone = self._ctx.facts.phones.get(ring.member)
        if ring.number or phone is None or not phone.dial.startswith("user/"):
            return
        try:
            user = quoting.user(phone.user)
        except quoting.Unquotable:
            return
        if ring.offer not in self._questions:
            self._ask(ring.offer, user)

    def find(self, offer: str, user: str, then: Callable[[str], None]) -> None:
        """Give *then* the contacts of *user*, as FreeSWITCH says them; never, if the link drops before.

        Raises:
            quoting.Unquotable: no user can be called so.
        """
        quoted = quoting.user(user)
        question = self._questions.get(offer)
        if (
            question is None
            or question.user != quoted
            or (question.answer is not None and self._ctx.now - question.asked > FRESH_SECONDS)
        ):
            question = self._ask(offer, quoted)
        if question is None:
            return
        question.then = then
        self._tell(offer, question)

    def awaited(self) -> list[str]:
        """Return the offers whose Ring waits for an answer."""
        return [offer for offer, question in self._questions.items() if question.then is not None]

    def forget(self, offer: str) -> None:
        """The offer's Ring has come, and nothing is rung for it."""
        self._questions.pop(offer, None)

    def link_down(self) -> None:
        """Answers that are due never come, and those that came prove nothing any more."""
        self._questions.clear()

    def _ask(self, offer: str, user: str) -> _Question | None:
        if not self._ctx.link:
            return None
        question = self._questions[offer] = _Question(user, self._ctx.now)

        def answered(answer: str) -> None:
            question.answer = answer
            self._tell(offer, question)

        self._ctx.api(f"sofia_contact */{user}", answered)
        return question

    def _tell(self, offer: str, question: _Question) -> None:
        """Pass the answer on once there are both it and somebody who waits for it; one that was asked anew is void."""
        if question.then is not None and question.answer is not None and self._questions.get(offer) is question:
            del self._questions[offer]
            question.then(question.answer)
