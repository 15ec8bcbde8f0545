"""What the mails to the merchant say: money that came in, and what has to be looked after."""

from paydue.delivery.mail_facts import Trouble
from paydue.delivery.telling import LONGEST_SUBJECT, Telling, Wording
from paydue.domain.money import ZERO


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
    say, number = told.words.say, told.number
    subject = say("Attention needed: invoice {number}", number=number)
    if len(subject) > LONGEST_SUBJECT:
        subject = told.short_subject()
    match told.facts.trouble:
        case Trouble.OUTCOME_UNKNOWN:
            heading = say("The outcome of a payment is unknown")
            body = say(
                "The processor has not said whether a payment of {amount} for invoice {number} went through. Look it "
                "up with the processor. Nobody can pay the invoice until this is settled.",
                amount=told.amount, number=number,
            )  # fmt: skip
        case Trouble.MONEY_UNAPPLIED:
            heading = say("A payment could not be counted")
            body = say(
                "Money arrived for invoice {number} that cannot be counted: it came too late, was too much, or came "
                "twice. Give it back, or settle it with the payer.",
                number=number,
            )
        case Trouble.NOT_FOUND_AT_GATEWAY:
            heading = say("A payment was not found")
            body = say(
                "A day has passed, and the processor knows nothing of a payment of {amount} for invoice {number}. It "
                "counts as failed, and the invoice can be paid again.",
                amount=told.amount, number=number,
            )  # fmt: skip
        case Trouble.REFUND_FAILED:
            heading = say("A refund did not go through")
            body = say(
                "A refund for invoice {number} needs your attention: the processor did not carry it out, or the "
                "payment had been reversed before. Look it up with the processor.",
                number=number,
            )
        case Trouble.MAIL_BOUNCED:
            heading = say("A mail came back")
            body = say(
                "The mail about invoice {number} could not be delivered. Correct the address and send the invoice "
                "again.",
                number=number,
            )
        case Trouble.PAYMENT_DISPUTED:
            heading = say("A payment is disputed")
            body = say(
                "The payer disputes a payment of {amount} for invoice {number}. Answer the processor before its "
                "deadline.",
                amount=told.amount, number=number,
            )  # fmt: skip
        case Trouble.GATEWAY_DOWN:
            subject = say("Attention needed: payments are not possible right now")
            heading = say("Payments are not possible right now")
            body = say(
                "The processor does not answer, so that nobody can pay your invoices. Payments are possible again as "
                "soon as it does."
            )
        case _:
            heading = say("A payment waits for your decision")
            body = say(
                "A payment of {amount} for invoice {number} is held for review. Accept or reject it with the "
                "processor. Nobody can pay the invoice until you do.",
                amount=told.amount, number=number,
            )  # fmt: skip
    return Wording(
        subject=subject,
        heading=heading,
        body=body,
        link=say("The console shows everything that is known about it."),
        button=say("Open the console"),
    )
