"""What is told to whom: every status change that owes somebody a message, and those that do not."""

from builders import NOON, TOKEN, a_payment, an_invoice, some_terms
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.notifications import EVENT_KINDS
from paydue.usecases.announcements import ANNOUNCEMENTS, MERCHANT_EVENTS, REMINDERS, Audience, announcements
from paydue.usecases.ports import Channel, Reminded

CUSTOMER_EVENTS = {event for _, event in (*ANNOUNCEMENTS.values(), *REMINDERS.values()) if event is not None}
ONE_LISTENS = Audience(dict.fromkeys(CUSTOMER_EVENTS, ("hook-1",)))


def told(before: Invoice | None, after: Invoice, audience: Audience = ONE_LISTENS) -> list[tuple[str, str]]:
    return [(message.channel.value, message.topic) for message in announcements(before, after, audience)]


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
    facts = announcements(sent, part, payment=a_payment("100"))[0].facts
    assert (facts["amount"], facts["balance"], facts["transaction_id"]) == ("100", "193.5", "TR-9")
    assert facts["method"] == "bank transfer"
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
    (message,) = announcements(created, created.receive(a_payment("293.5"), NOON), ONE_LISTENS)
    assert (message.channel, message.recipient) == (Channel.WEBHOOK, "hook-1")


def test_an_update_tells_nobody() -> None:
    sent = an_invoice(Status.SENT)
    assert told(sent, sent.amend(some_terms("5"), NOON, TOKEN)) == []


def test_where_nobody_listens_only_the_payer_is_told() -> None:
    assert told(None, an_invoice(Status.SENT), Audience()) == [("mail", "invoice")]


def test_each_subscription_is_told_by_itself_and_the_merchants_copy_goes_to_those_who_ask_for_it() -> None:
    audience = Audience(
        {
            "invoicing.customer.invoice.send": ("hook-1", "hook-2"),
            "invoicing.merchant.invoice.send": ("hook-3",),
            "invoicing.customer.invoice.paid": ("hook-4",),
        }
    )
    messages = announcements(None, an_invoice(Status.SENT), audience)
    assert [(message.topic, message.recipient) for message in messages if message.channel is Channel.WEBHOOK] == [
        ("invoicing.customer.invoice.send", "hook-1"),
        ("invoicing.customer.invoice.send", "hook-2"),
        ("invoicing.merchant.invoice.send", "hook-3"),
    ]


def test_a_merchant_who_wants_to_know_hears_of_payments_and_of_nothing_else() -> None:
    audience = Audience({}, "owner@acme.example")
    sent = an_invoice(Status.SENT)
    assert told(None, sent, audience) == [("mail", "invoice")]
    paid = announcements(sent, sent.receive(a_payment("293.5"), NOON), audience)
    assert [(message.topic, message.recipient) for message in paid] == [
        ("paid", sent.terms.email),
        ("payment-received", "owner@acme.example"),
    ]


def test_a_reminder_is_told_by_its_kind() -> None:
    sent = an_invoice(Status.SENT)
    for kind in REMINDERS:
        messages = announcements(sent, sent.remind(NOON), ONE_LISTENS, reminded=Reminded(kind, sent.terms.due_date))
        assert [message.topic for message in messages] == [kind, f"invoicing.customer.invoice.{kind}"]


def test_every_event_that_is_told_is_one_that_can_be_subscribed_to() -> None:
    assert CUSTOMER_EVENTS | set(MERCHANT_EVENTS.values()) <= set(EVENT_KINDS)
