"""Stripe's notifications: signed as its own library signs, refused when they are not, and never more than hints."""

import hmac
import json
from datetime import timedelta

import pytest
import stripe

from builders import NOON
from paydue.gateways.stripe_notifications import EVENTS, read_notifications
from paydue.usecases.gateway_ports import Notification, NotificationRefused

OLD, NEW = "whsec_old", "whsec_new"
PAGE = {"object": "checkout.session", "id": "cs_1", "client_reference_id": "7-1", "metadata": {"reference": "7-1"}}


def body_of(subject: object = PAGE, kind: str = "checkout.session.completed") -> bytes:
    return json.dumps({"id": "evt_1", "type": kind, "object": "event", "data": {"object": subject}}, indent=2).encode()


def headers_of(body: bytes, secret: str = NEW, seconds: float = 0) -> dict[str, str]:
    at = int((NOON + timedelta(seconds=seconds)).timestamp())
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at)}


def read(headers: dict[str, str], body: bytes, secrets: tuple[str, ...] = (NEW, OLD)) -> tuple[Notification, ...]:
    return read_notifications(headers, body, secrets, NOON)


def test_a_page_is_told_of_by_its_name_and_our_reference() -> None:
    body = body_of()
    assert read(headers_of(body), body) == (Notification(event_id="evt_1", reference="7-1", session="cs_1"),)


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_what_concerns_a_payment_names_it_by_our_reference(kind: str) -> None:
    body = body_of({"object": "x", "id": "re_1", "metadata": {"reference": "7-1"}}, kind)
    assert read(headers_of(body), body) == (Notification(event_id="evt_1", reference="7-1"),)


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("customer.created", PAGE),
        ("charge.refunded", {"object": "charge", "id": "ch_1", "metadata": {}}),
        ("refund.updated", {"object": "refund", "id": "re_1", "metadata": None}),
    ],
)
def test_what_is_of_no_use_to_us_is_taken_and_let_go(kind: str, subject: object) -> None:
    body = body_of(subject, kind)
    assert read(headers_of(body), body) == ()


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_while_a_secret_is_changed_either_will_do(secret: str) -> None:
    body = body_of()
    assert read(headers_of(body, secret), body)
    with pytest.raises(NotificationRefused):
        read(headers_of(body, secret), body, ("whsec_other",))


def test_stripe_signs_with_both_while_it_changes_one() -> None:
    body = body_of()
    old, new = headers_of(body, OLD), headers_of(body, NEW)
    both = {"stripe-signature": f"{old['Stripe-Signature']},{new['Stripe-Signature'].partition(',')[2]},v0=abc"}
    for secret in (OLD, NEW):
        assert read(both, body, (secret,))


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_either_way_are_tolerated(seconds: float) -> None:
    body = body_of()
    assert read(headers_of(body, seconds=seconds), body)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_what_is_older_or_ahead_of_its_time_is_refused(seconds: float) -> None:
    body = body_of()
    with pytest.raises(NotificationRefused, match="too old"):
        read(headers_of(body, seconds=seconds), body)


def test_the_signature_is_over_the_very_bytes() -> None:
    body = body_of()
    headers = headers_of(body)
    for tampered in (body + b" ", json.dumps(json.loads(body)).encode(), body.replace(b"7-1", b"7-2")):
        with pytest.raises(NotificationRefused, match="signature is wrong"):
            read(headers, tampered)


@pytest.mark.parametrize(
    "header",
    [
        "", "x", "t=1", "v1=abc", "t=,v1=abc", "t=-1,v1=abc", "t=١٢,v1=abc", "t=1,t=1,v1=abc", "t=1e3,v1=abc",
        "t=1234567890123,v1=abc", "t=1,v1=é", "t=1,v1=", "=,=,=", "t=1," + "v1=a," * 2000, "t=1,v0=abc",
    ],
)  # fmt: skip
def test_a_header_of_another_form_is_refused(header: str) -> None:
    with pytest.raises(NotificationRefused):
        read({"Stripe-Signature": header}, body_of())


def test_without_a_secret_nothing_is_believed() -> None:
    body = body_of()
    for secrets in ((), ("",)):
        with pytest.raises(NotificationRefused):
            read({"Stripe-Signature": f"t=1,v1={hmac.digest(b'', b'1.' + body, 'sha256').hex()}"}, body, secrets)
    with pytest.raises(NotificationRefused):
        read({}, body)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{", b"[" * 100_000, b'{"id":7}', b'{"id":"e","type":"charge.refunded"}',
        b'{"id":"e","type":"charge.refunded","data":{"object":[]}}', b"x" * 300_000, b'{"id":"\xff"}',
        b'{"id":"e","type":"charge.refunded","data":{"object":{"metadata":{"reference":{}}}}}',
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_though_it_was_signed(body: bytes) -> None:
    at = int(NOON.timestamp())
    signature = hmac.digest(NEW.encode(), f"{at}.".encode() + body, "sha256").hex()
    with pytest.raises(NotificationRefused):
        read({"Stripe-Signature": f"t={at},v1={signature}"}, body)
