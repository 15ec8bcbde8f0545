"""Accept or reject a payment that is held for review."""

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.errors import AttemptNotOpen, GatewayRefusal, NoSuchAttempt
from paydue.usecases.change_attempt import Books
from paydue.usecases.gateway_ports import Gateway, Kind
from paydue.usecases.ports import Actor, Clock
from paydue.usecases.settle_payment import settle_payment

_NOT_TOLD = frozenset((Kind.UNAVAILABLE, Kind.MISCONFIGURED, Kind.INVALID, Kind.UNKNOWN, Kind.NOT_FOUND))


async def review_payment(
    books: Books, gateway: Gateway, attempt_id: str, *, accepts: bool, clock: Clock, actor: Actor
) -> PaymentAttempt:
    """
    Decide a held payment at its gateway and settle what the gateway says then.

    Decided otherwise before, by somebody else or at the processor's own console, that decision is what counts. Raises
    NoSuchAttempt, AttemptNotOpen when nothing is held, GatewayRefusal when the gateway cannot be asked: then it stays
    held, and the reconciler finds out whether the decision got through.
    """
    attempt = await books.attempts.attempt(attempt_id)
    if attempt is None:
        raise NoSuchAttempt(attempt_id)
    if attempt.state is not AttemptState.HELD:
        raise AttemptNotOpen(attempt_id, attempt.state.value)
    if not gateway.capabilities.can_review:
        raise GatewayRefusal("review")
    outcome = await gateway.review(attempt, accepts=accepts)
    if outcome.kind in _NOT_TOLD:
        raise GatewayRefusal(outcome.kind.value)
    return await settle_payment(books, attempt_id, outcome, at=clock.now(), actor=actor)
