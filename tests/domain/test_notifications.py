"""The catalogue: what is accepted from subscribers, what is sent, and what stays the same over retries."""

import pytest

from paydue.domain.notifications import CATALOGUE, EVENT_KINDS, SLOTS, RequestType, known_event_type, known_product_id
from paydue.usecases.announcements import ANNOUNCEMENTS
from webhook_builders import a_notification

PARTIAL = "invoicing.customer.invoice.partial-payment"


@pytest.mark.parametrize(
    "product, event, sent",
    [
        ("customerInvoicing", PARTIAL, PARTIAL),
        ("customerInvoicing", "invoicing.customer.invoice.partialpayment", PARTIAL),
        ("customerInvoicing", "invoicing.merchant.invoice.partial-payment", "invoicing.merchant.invoice.partial-paid"),
        ("invoicing", "invoicing.customer.invoice.paid", "invoicing.customer.invoice.paid"),
        ("customerInvoicing", "invoicing.customer.invoice.created", "invoicing.customer.invoice.created"),
        ("customerInvoicing", "invoicing.customer.invoice.payed", None),
        ("customerInvoicing", "payByLink.merchant.payment", None),
        ("payByLink", "payByLink.merchant.payment", "payByLink.merchant.payment"),
        ("tokenManagement", "tms.token.created", "tms.token.created"),
    ],
)  # fmt: skip
def test_an_event_is_known_by_every_accepted_name_and_sent_under_one(product, event, sent):
    assert known_event_type(product, event) == sent


@pytest.mark.parametrize(
    "written, sent",
    [("invoicing", "customerInvoicing"), ("customerInvoicing", "customerInvoicing"), ("other", "other")],
)
def test_a_product_is_known_by_every_accepted_name(written, sent):
    assert known_product_id(written) == sent


def test_no_name_means_two_events():
    names = [name for product in CATALOGUE for event in product.events for name in (event.name, *event.aliases)]

    assert len(set(names)) == len(names)


def test_every_event_that_is_announced_stands_in_the_catalogue():
    assert {event for _, event in ANNOUNCEMENTS.values() if event is not None} <= {
        name for name, (_, kind) in EVENT_KINDS.items() if kind.is_sent
    }


def test_a_retry_is_the_same_message_in_another_attempt():
    first = a_notification()
    retry = first.retried("another-trace")

    assert (first.request_type, first.retry_number) == (RequestType.NEW, 0)
    assert (retry.request_type, retry.retry_number) == (RequestType.RETRY, 1)
    assert retry.trace_id == "another-trace"
    assert (retry.notification_id, retry.sequence) == (first.notification_id, first.sequence)


def test_there_are_twenty_four_slots():
    assert len(SLOTS) == len(set(SLOTS)) == 24
