"""The pages on errors and status codes say what the code answers."""

import inspect
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from documented import ROOT, table
from paydue.domain import errors
from paydue.domain.errors import (
    ActionNotAllowed,
    AmountAboveBalance,
    AmountAbovePayment,
    AmountNotPayable,
    AttemptNotOpen,
    DuplicateInvoiceNumber,
    Fault,
    GatewayRefusal,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InvalidFields,
    InvalidImage,
    LinkExpired,
    MerchantFieldChanged,
    MerchantFieldIndexTaken,
    MerchantFieldRefusal,
    NoSuchAttempt,
    NoSuchInvoice,
    NoSuchMerchantField,
    NoSuchPayment,
    PaymentInFlight,
    PaymentNotCharged,
    StoreBusy,
    StoreUnavailable,
    TooManyMerchantFields,
    TooManyResends,
    TooManyTries,
    UnreachableAddress,
)
from paydue.domain.lifecycle import Action, Status
from paydue.domain.merchant_fields import FieldType
from paydue.domain.webhooks import (
    NotificationNotTaken,
    SubscriptionAction,
    SubscriptionActionNotAllowed,
    SubscriptionStatus,
    TooManySubscriptions,
    TooManyWebhookKeys,
)
from paydue.usecases.define_merchant_fields import MerchantFieldTypeFixed
from paydue.wire import error_json, merchant_fields_json, webhook_errors
from paydue.wire.openapi_document import described
from paydue.wire.strict_json import MalformedJson

REFERENCE = ROOT / "docs" / "reference"
SUBMIT_TIME = "2026-11-21T22:50:14.547337016Z"

SAMPLES: dict[type[Exception], Any] = {
    InvalidFields: InvalidFields((Fault("dueDate", "MISSING_FIELD"),)),
    MalformedJson: MalformedJson("The body has to be a JSON object."),
    NoSuchInvoice: NoSuchInvoice("4711"),
    UnreachableAddress: UnreachableAddress("tanya.lee@my-email.world"),
    TooManyResends: TooManyResends(10),
    ActionNotAllowed: ActionNotAllowed(Action.CANCEL, Status.PAID),
    AmountAboveBalance: AmountAboveBalance(Decimal(2), Decimal(1), "USD"),
    PaymentInFlight: PaymentInFlight(Action.CANCEL),
    AmountNotPayable: AmountNotPayable(Decimal(1), Decimal(2), Decimal(3), "USD"),
    LinkExpired: LinkExpired("4711"),
    TooManyTries: TooManyTries(datetime(2026, 5, 5, 12, 15, tzinfo=UTC)),
    NoSuchAttempt: NoSuchAttempt("a"),
    AttemptNotOpen: AttemptNotOpen("a", "settled"),
    NoSuchPayment: NoSuchPayment("TR-1"),
    PaymentNotCharged: PaymentNotCharged("TR-1"),
    AmountAbovePayment: AmountAbovePayment(Decimal(2), Decimal(1), "USD"),
    GatewayRefusal: GatewayRefusal("unavailable"),
    DuplicateInvoiceNumber: DuplicateInvoiceNumber("4711"),
    InvalidImage: InvalidImage("no picture"),
    IdempotencyKeyInUse: IdempotencyKeyInUse("k"),
    IdempotencyKeyReused: IdempotencyKeyReused("k"),
    StoreBusy: StoreBusy("full"),
    StoreUnavailable: StoreUnavailable("gone"),
}
MERCHANT_FIELD_SAMPLES = [
    NoSuchMerchantField(1),
    MerchantFieldChanged(1),
    MerchantFieldIndexTaken(1),
    MerchantFieldTypeFixed(1, FieldType.TEXT),
    TooManyMerchantFields("Invoice", 20),
]


@pytest.mark.parametrize("kind", error_json.TABLE, ids=lambda kind: kind.__name__)
def test_every_answer_to_a_refusal_is_documented_as_it_is_given(kind: type[Exception]) -> None:
    row = error_row("errors", kind)
    code, status, reason, _, _ = error_json.TABLE[kind](SAMPLES[kind])

    assert (row["code"], row["status"], row["reason"]) == (str(code), status, reason)


@pytest.mark.parametrize("refusal", MERCHANT_FIELD_SAMPLES, ids=lambda refusal: type(refusal).__name__)
def test_every_answer_about_merchant_fields_is_documented_as_it_is_given(refusal: MerchantFieldRefusal) -> None:
    row = error_row("merchant field errors", type(refusal))
    answer = merchant_fields_json.write_refusal(refusal, SUBMIT_TIME)

    assert row["code"] == str(answer.status)
    assert f'"reason":"{row["reason"]}"'.encode() in answer.body


def test_no_row_of_the_error_tables_is_about_nothing() -> None:
    documented = {row["in the code"] for mark in ("errors", "merchant field errors") for row in error_rows(mark)}

    assert documented == {kind.__name__ for kind in error_json.TABLE} | {
        type(refusal).__name__ for refusal in MERCHANT_FIELD_SAMPLES
    }


def test_every_error_of_the_domain_is_named_in_the_reference() -> None:
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    kinds = [
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == errors.__name__
    ]

    assert len(kinds) > 10
    assert [name for name in kinds if f"`{name}`" not in text] == []


def test_every_status_code_of_the_api_has_its_line() -> None:
    text = (REFERENCE / "http-status.md").read_text(encoding="utf-8")
    operations = [
        operation for path in described("http://localhost:8080")["paths"].values() for operation in path.values()
    ]
    codes = {code for operation in operations if "responses" in operation for code in operation["responses"]}

    assert codes > {"200", "401"}
    lines = [line.partition("|")[2].partition("|")[0] for line in text.splitlines() if line.startswith("|")]
    assert sorted(codes - {code.strip() for line in lines for code in line.split(",")}) == []


def error_row(mark: str, kind: type[Exception]) -> dict[str, str]:
    rows = [row for row in error_rows(mark) if row["in the code"] == kind.__name__]
    assert len(rows) == 1, f"{kind.__name__} has {len(rows)} rows"
    return rows[0]


def error_rows(mark: str) -> list[dict[str, str]]:
    return table(REFERENCE / "errors.md", mark)


def test_the_page_on_errors_has_a_row_for_each_refusal_about_webhooks() -> None:
    samples: dict[type[Exception], Any] = {
        SubscriptionActionNotAllowed: SubscriptionActionNotAllowed(SubscriptionAction.TRY, SubscriptionStatus.BLOCKED),
        TooManySubscriptions: TooManySubscriptions(20),
        TooManyWebhookKeys: TooManyWebhookKeys(20),
        NotificationNotTaken: NotificationNotTaken("answered 503"),
    }
    rows = {row["in the code"]: row for row in table(REFERENCE / "errors.md", "webhook errors")}

    assert set(rows) == {kind.__name__ for kind in webhook_errors.TABLE}
    for kind, answer in webhook_errors.TABLE.items():
        code, status, reason, _ = answer(samples.get(kind))
        row = rows[kind.__name__]
        assert (row["code"], row["status"], row["reason"]) == (str(code), status, reason), kind
