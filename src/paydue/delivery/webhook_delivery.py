"""
A notification on its way: the first attempt, the retries of its subscription's policy, and what the end of them means.

What is said is looked up once and kept; who said it and when is written and signed anew for each attempt, because
receivers refuse what was signed some minutes ago.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from paydue.delivery.mail_writer import KIND_OF_EVENT, MailWriter, NothingToSay
from paydue.delivery.sealed import Seal
from paydue.delivery.slots import slots_of
from paydue.delivery.subscription_moves import SubscriptionMoves
from paydue.delivery.tries import jitter_of
from paydue.delivery.webhook_messenger import Attempt, WebhookMessenger, new_trace_id
from paydue.delivery.worker import Settlement
from paydue.domain.notifications import EVENT_KINDS, Notification
from paydue.domain.retry_policy import RetryPolicy
from paydue.domain.webhooks import Subscription, SubscriptionAction, SubscriptionStatus
from paydue.usecases.delivery_ports import Job, JobState, Outbox, Try
from paydue.usecases.ports import Actor, Clock
from paydue.usecases.webhook_ports import Subscriptions

# An attempt may take fifteen seconds, and a worker may have been away: two must not follow on each other's heels.
_SHORTEST_WAIT: Final = timedelta(seconds=10)

# Another process may have switched the subscription on just before the event, and this one remembers it for some
# seconds as it was.
_NEWS_TRAVELS: Final = timedelta(seconds=6)

# No slot has this name.
_INVOICE: Final = "invoice"

_read_said = msgspec.json.Decoder(dict[str, str]).decode
_write_said = msgspec.json.Encoder().encode


class WebhookDelivery:
    """Delivers the webhook jobs of all merchants. `default_policy` is for subscriptions that bring none."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        subscriptions_of: Callable[[str], Subscriptions],
        writer: MailWriter,
        messenger: WebhookMessenger,
        moves: SubscriptionMoves,
        seal: Seal,
        default_policy: RetryPolicy,
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._subscriptions_of = subscriptions_of
        self._writer = writer
        self._messenger = messenger
        self._moves = moves
        self._seal = seal
        self._default_policy = default_policy
        self._clock = clock

    async def deliver(self, job: Job) -> Settlement:
        """Have a go at one notification."""
        at = self._clock.now()
        subscription = await self._subscriptions_of(job.merchant_id).subscription(job.recipient or "")
        if subscription is not None and subscription.status is SubscriptionStatus.SUSPENDED:
            return _not_sent(JobState.HELD, at, "held: the subscription is suspended")
        if subscription is None or subscription.status is not SubscriptionStatus.ACTIVE:
            known_by = job.created_at + _NEWS_TRAVELS
            if at < known_by:
                return Settlement(state=JobState.PENDING, due_at=known_by)
            status = subscription.status.value if subscription is not None else "deleted"
            return _not_sent(JobState.PARKED, at, f"the subscription is {status}")
        try:
            said = await self._said(job, subscription)
        except NothingToSay as nothing:
            return _not_sent(JobState.PARKED, at, str(nothing))
        attempt = await self._messenger.attempt(subscription, _notification(job, subscription, said))
        return await self._settlement(job, subscription, attempt)

    async def _said(self, job: Job, subscription: Subscription) -> dict[str, str]:
        """Return the slots as at the first attempt, and the invoice's JSON where it is wanted. Raises NothingToSay."""
        kept = self._seal.open(job.message_id, job.rendered)
        if kept is not None:
            return _read_said(kept)
        facts, invoice = await self._writer.facts(job, KIND_OF_EVENT[job.topic])
        said = slots_of(facts).payload()
        if subscription.includes_invoice:
            said[_INVOICE] = self._messenger.snapshot(invoice, self._clock.now(), facts.payment_url or None).decode()
        await self._outbox.keep_rendered(job, self._seal.close(job.message_id, _write_said(said)))
        return said

    async def _settlement(self, job: Job, subscription: Subscription, attempt: Attempt) -> Settlement:
        at, tried = self._clock.now(), attempt.tried
        if tried is None:
            return _not_sent(JobState.HELD, at, f"held: {attempt.outcome}")
        if tried.is_taken:
            if subscription.failing_since is not None:
                await self._move(job, subscription, SubscriptionAction.TAKE, at)
            return Settlement(state=JobState.DONE, due_at=at, tried=tried)
        # The subscription is moved before the job is settled: a crash in between leaves a job that finds it moved.
        if attempt.is_gone:
            await self._move(job, subscription, SubscriptionAction.GIVE_UP, at, is_gone=True)
            return Settlement(state=JobState.PARKED, due_at=at, tried=tried)
        policy = subscription.retry_policy or self._default_policy
        later = _next_attempt(job, policy, at)
        if later is not None:
            later = max(later, attempt.not_before or later)
            return Settlement(state=JobState.PENDING, due_at=later, tried=tried)
        if self._moves.is_hopeless(subscription, at):
            await self._move(job, subscription, SubscriptionAction.GIVE_UP, at)
        else:
            await self._move(
                job, subscription, SubscriptionAction.SUSPEND if policy.suspends else SubscriptionAction.FAIL, at
            )
        return Settlement(state=JobState.HELD if policy.suspends else JobState.PARKED, due_at=at, tried=tried)

    async def _move(
        self, job: Job, subscription: Subscription, action: SubscriptionAction, at: datetime, *, is_gone: bool = False
    ) -> None:
        actor = Actor("worker", job.message_id)
        await self._moves.move(job.merchant_id, subscription, action, at, actor, is_gone=is_gone)


def _notification(job: Job, subscription: Subscription, said: dict[str, str]) -> Notification:
    product, _ = EVENT_KINDS[job.topic]
    return Notification(
        notification_id=job.message_id,
        sequence=job.position,
        webhook_id=subscription.webhook_id,
        organization_id=subscription.organization_id,
        origin_organization_id=job.merchant_id,
        product_id=product.product_id,
        event_type=job.topic,
        occurred_at=job.created_at,
        slots={name: text for name, text in said.items() if name != _INVOICE},
        invoice=said[_INVOICE].encode() if _INVOICE in said else None,
        retry_number=job.tries,
        trace_id=new_trace_id(),
    )


def _next_attempt(job: Job, policy: RetryPolicy, at: datetime) -> datetime | None:
    """Return when to try again after one more failure; None when the policy has no more retries."""
    times = policy.attempt_times(job.first_failed_at or at, jitter=jitter_of(job.message_id))
    return max(times[job.tries], at + _SHORTEST_WAIT) if job.tries < len(times) else None


def _not_sent(state: JobState, at: datetime, outcome: str) -> Settlement:
    """Return a settlement of which the log tells, though nobody was asked."""
    return Settlement(state=state, due_at=at, tried=Try(at=at, milliseconds=0, is_taken=False, outcome=outcome))
