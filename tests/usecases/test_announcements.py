"""What is told to whom: every status change that owes somebody a message, and those that do not."""

from builders import NOON, TOKEN, a_payment, an_invoice, some_terms
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.usecases.announcements import announcements
from paydue.usecases.ports import Channel


def told(before: Invoice | None, after: Invoice) -> list[tuple[str, str]]:
    return [(message.channel.value, message.topic) for message in announcements(before, after)]


def test_a_draft_tells_nobody() -> None:
    assert told(None, an_invoice(Status.DRAFT)) == []


def test_publishing_tells_nobody() -> None:
    assert told(None, an_invoice(Status.CREATED)) == []


def test_sending_tells_payer_and_subscribers() -> None:
    assert told(None, an_invoice(Status.SENT)) == [("mail", "invoice"), ("webhook", "invoicing.customer.invoice.send")]


def test_sending_again_says_so() -> None:
    sent, partial = an_invoice(Status.SENT), an_invoice(Status.PARTIAL)
    assert told(sent, sent.send(NOON, TOKEN)) == [("mail", "resend"), ("webhook", "invoicing.customer.invoice.send")]
    assert told(partial, partial.send(NOON, TOKEN)) == [
        ("mail", "partial-resend"),
        ("webhook", "invoicing.customer.invoice.partial-resend"),
    ]


def test_a_payment_is_confirmed_with_its_figures() -> None:
    sent = an_invoice(Status.SENT)
    part = sent.receive(a_payment("100", "TR-9"), NOON)
    assert told(sent, part) == [
        ("mail", "partial-payment"),
        ("webhook", "invoicing.customer.invoice.partial-payment"),
    ]
    facts = announcements(sent, part)[0].facts
    assert (facts["amount"], facts["balance"], facts["transaction_id"]) == ("100", "193.5", "TR-9")
    assert told(part, part.receive(a_payment("193.5"), NOON)) == [
        ("mail", "paid"),
        ("webhook", "invoicing.customer.invoice.paid"),
    ]


def test_a_cancelation_is_mailed_only_to_a_payer_who_was_written_to() -> None:
    for status, mails in ((Status.DRAFT, []), (Status.CREATED, []), (Status.SENT, [("mail", "cancel")])):
        invoice = an_invoice(status)
        assert told(invoice, invoice.cancel(NOON)) == [*mails, ("webhook", "invoicing.customer.invoice.cancel")]


def test_without_an_address_only_subscribers_are_told() -> None:
    created = an_invoice(Status.CREATED, some_terms(email=None))
    (message,) = announcements(created, created.receive(a_payment("293.5"), NOON))
    assert (message.channel, message.recipient) == (Channel.WEBHOOK, None)


def test_an_update_tells_nobody() -> None:
    sent = an_invoice(Status.SENT)
    assert told(sent, sent.amend(some_terms("5"), NOON, TOKEN)) == []
