"""What the mails to the merchant say: money that came in, and what has to be looked after."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from paydue.delivery.mail_facts import Trouble
from paydue.delivery.telling import LONGEST_SUBJECT, Telling, Wording
from paydue.domain.money import ZERO
from paydue.language.words import to_say


def payment_received(told: Telling) -> Wording:
    """Return what the mail about money that came in says."""
    say, number = told.words.say, told.number
    arrived = say("A payment of {amount} for invoice {number} has arrived.", amount=told.amount, number=number)
    subject = say("Payment received: {amount} for invoice {number}", amount=told.amount, number=number)
    return Wording(
        subject=subject if len(subject) <= LONGEST_SUBJECT else told.short_subject(),
        heading=say("You have received a payment"),
        body=told.sentences(arrived, told.is_or_was_due() if told.facts.balance > ZERO else told.nothing_more()),
        link=say("The console shows the invoice with all its payments."),
        button=say("Open the invoice"),
        amount_label=told.received_label(),
    )


def needs_attention(told: Telling) -> Wording:
    """Return what the mail about something that a person has to look after says."""
    trouble = _TROUBLES.get(told.facts.trouble, _HELD_FOR_REVIEW)
    subject = told.from_table(trouble.subject)
    return Wording(
        subject=subject if len(subject) <= LONGEST_SUBJECT else told.short_subject(),
        heading=told.from_table(trouble.heading),
        body=told.from_table(trouble.body),
        link=told.words.say("The console shows everything that is known about it."),
        button=told.words.say("Open the console"),
    )


class _Trouble(NamedTuple):
    heading: str
    body: str
    subject: str = to_say("Attention needed: invoice {number}")


_HELD_FOR_REVIEW: Final = _Trouble(
    to_say("A payment waits for your decision"),
    to_say(
        "A payment of {amount} for invoice {number} is held for review. Accept or reject it with the processor. "
        "Nobody can pay the invoice until you do."
    ),
)
_TROUBLES: Final[Mapping[Trouble | None, _Trouble]] = {
    Trouble.OUTCOME_UNKNOWN: _Trouble(
        to_say("The outcome of a payment is unknown"),
        to_say(
            "The processor has not said whether a payment of {amount} for invoice {number} went through. Look it up "
            "with the processor. Nobody can pay the invoice until this is settled."
        ),
    ),
    Trouble.MONEY_UNAPPLIED: _Trouble(
        to_say("A payment could not be counted"),
        to_say(
            "Money arrived for invoice {number} that cannot be counted: it came too late, was too much, or came twice. "
            "Give it back, or settle it with the payer."
        ),
    ),
    Trouble.NOT_FOUND_AT_GATEWAY: _Trouble(
        to_say("A payment was not found"),
        to_say(
            "A day has passed, and the processor knows nothing of a payment of {amount} for invoice {number}. It "
            "counts as failed, and the invoice can be paid again."
        ),
    ),
    Trouble.REFUND_FAILED: _Trouble(
        to_say("A refund did not go through"),
        to_say(
            "A refund for invoice {number} needs your attention: the processor did not carry it out, or the payment "
            "had been reversed before. Look it up with the processor."
        ),
    ),
    Trouble.MAIL_BOUNCED: _Trouble(
        to_say("A mail came back"),
        to_say(
            "The mail about invoice {number} could not be delivered. Correct the address and send the invoice again."
        ),
    ),
    Trouble.PAYMENT_DISPUTED: _Trouble(
        to_say("A payment is disputed"),
        to_say(
            "The payer disputes a payment of {amount} for invoice {number}. Answer the processor before its deadline."
        ),
    ),
    Trouble.GATEWAY_DOWN: _Trouble(
        to_say("Payments are not possible right now"),
        to_say(
            "The processor does not answer, so that nobody can pay your invoices. Payments are possible again as soon "
            "as it does."
        ),
        to_say("Attention needed: payments are not possible right now"),
    ),
}
