"""
The Stripe gateway: payers pay on a page of Stripe's, and what came of it is asked for, never taken from the browser.

Nothing here charges. A page is opened under the attempt's id, so that asking twice opens one; it is read, and it is
ended. Whoever has its address may pay on it until then.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from paydue.domain.attempts import PaymentAttempt
from paydue.domain.refunds import Refund
from paydue.gateways.stripe_answers import failure_of, not_opened, not_refunded, payment_of, refund_of
from paydue.gateways.stripe_client import Fault, PageOrder, RefundOrder, StripeClient
from paydue.gateways.stripe_money import TAKEN, NotPayable, to_units
from paydue.gateways.stripe_notifications import read_notifications
from paydue.language.locales import SOURCE_LANGUAGE
from paydue.language.words import words_of
from paydue.usecases.gateway_ports import (
    Capabilities,
    Checkout,
    CheckoutRequest,
    Health,
    Kind,
    Notification,
    Outcome,
    Reason,
)
from paydue.usecases.ports import Clock

# Stripe lets no page end before half an hour has passed since it was opened, and ours may be opened as late as its
# attempt's end. What ends it in time is `close`; this is for a Paydue that does not run any more.
_OUTLIVES: Final = timedelta(minutes=35)
# Stripe forgets what was done under a key after a day.
_KEY_LASTS: Final = timedelta(hours=23)
_LOCALES: Final = {
    "zh-CN": "zh", "zh-TW": "zh-TW", "en-US": "en", "fr-FR": "fr", "de-DE": "de", "ja-JP": "ja", "pt-BR": "pt-BR",
    "ru-RU": "ru", "es-419": "es-419",
}  # fmt: skip
# Where a parcel can go, in Stripe's list: all but countries under sanctions.
_COUNTRIES: Final = """
AC AD AE AF AG AI AL AM AO AQ AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CD CF
CG CH CI CK CL CM CN CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR GA GB GD GE GF GG GH GI GL
GM GN GP GQ GR GS GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IS IT JE JM JO JP KE KG KH KI KM KN KR KW KY KZ LA LB
LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU MV MW MX MY MZ NA NC NE NG NI NL NO NP NR NU
NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX
SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VN VU WF WS XK YE YT ZA ZM ZW ZZ
""".split()


class StripeGateway:
    """Fills the port in `usecases/gateway_ports.py` with one account at Stripe."""

    def __init__(self, client: StripeClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self.capabilities = Capabilities(
            name="stripe", redirects=True, currencies=TAKEN, is_test=client.account.is_test
        )

    async def begin(self, request: CheckoutRequest) -> Checkout | Outcome:
        attempt = request.attempt
        try:
            if attempt.session is not None:
                page = await self._client.session(attempt.session)
            else:
                page = await self._client.open_session(_page(request), attempt.attempt_id)
        except NotPayable as reason:
            return Outcome(kind=Kind.INVALID, raw=str(reason), reason=Reason.CHECK_DETAILS)
        except Fault as fault:
            return not_opened(fault)
        outcome = payment_of(page)
        if outcome.kind is not Kind.WAITING_FOR_PAYER:
            return outcome
        if outcome.reference != attempt.reference or not self._is_page(outcome.next_url):
            return Outcome(kind=Kind.MISCONFIGURED, raw="not the page that was asked for", reason=Reason.TRY_LATER)
        return Checkout(session=page.id, expires_at=attempt.expires_at, redirect_url=outcome.next_url)

    async def charge(self, attempt: PaymentAttempt, handed_over: str) -> Outcome:
        """Look up: the payer has paid on the page, or has not. What the browser says is not even read."""
        outcome = await self.look_up(attempt)
        if outcome.kind in (Kind.UNAVAILABLE, Kind.MISCONFIGURED, Kind.NOT_FOUND):
            # Not to be told is not to be refused: the page may have been paid on.
            return replace(outcome, kind=Kind.UNKNOWN, reason=Reason.CONFIRMING)
        return outcome

    async def look_up(self, attempt: PaymentAttempt) -> Outcome:
        if attempt.session is None:
            return Outcome(kind=Kind.NOT_FOUND, raw="no page was opened")
        try:
            return payment_of(await self._client.session(attempt.session))
        except Fault as fault:
            return self._not_told(attempt, fault)

    async def close(self, attempt: PaymentAttempt) -> Outcome:
        if attempt.session is None:
            # Whose address was never kept was never told to anybody.
            return Outcome(kind=Kind.CANCELED, raw="no page was opened")
        try:
            outcome = payment_of(await self._client.expire_session(attempt.session))
        except Fault as fault:
            if fault.status != 400:
                return self._not_told(attempt, fault)
            # It is not open any more. What counts is what it was closed by.
            return await self.look_up(attempt)
        return replace(outcome, kind=Kind.CANCELED) if outcome.kind is Kind.EXPIRED else outcome

    async def void(self, attempt: PaymentAttempt) -> Outcome:
        """End the page: what was not paid by now never will be. Money that came is not voided, but given back."""
        if attempt.session is None:
            return Outcome(kind=Kind.NOT_FOUND, raw="no page was opened")
        outcome = await self.close(attempt)
        match outcome.kind:
            case Kind.CANCELED | Kind.EXPIRED:
                return replace(outcome, kind=Kind.VOIDED)
            case Kind.CHARGED | Kind.HELD:
                return replace(outcome, kind=Kind.NOT_VOIDABLE)
        return outcome

    async def refund(self, attempt: PaymentAttempt, refund: Refund) -> Outcome:
        if attempt.transaction_id is None:
            return Outcome(kind=Kind.REFUND_FAILED, raw="nothing was charged")
        try:
            order = _refund_order(attempt, attempt.transaction_id, refund)
            return refund_of(await self._client.refund(order, refund.refund_id))
        except NotPayable as reason:
            return Outcome(kind=Kind.REFUND_FAILED, raw=str(reason))
        except Fault as fault:
            return not_refunded(fault)

    async def look_up_refund(self, attempt: PaymentAttempt, refund: Refund) -> Outcome:
        """Ask for a refund; one that never arrived is ordered again under its key, which Stripe carries out once."""
        if attempt.transaction_id is None:
            return Outcome(kind=Kind.NOT_FOUND, raw="nothing was charged")
        try:
            if refund.transaction_id is not None:
                return refund_of(await self._client.refund_by_id(refund.transaction_id))
            found = await self._client.refund_named(attempt.transaction_id, "refund", refund.refund_id)
        except Fault as fault:
            return failure_of(fault)
        if found is not None:
            return refund_of(found)
        if self._clock.now() < refund.asked_at + _KEY_LASTS:
            return await self.refund(attempt, refund)
        return Outcome(kind=Kind.NOT_FOUND)

    async def review(self, attempt: PaymentAttempt, *, accepts: bool) -> Outcome:
        # Nothing is held here for a person of ours to decide: a slow method decides by itself.
        return await self.look_up(attempt)

    def notifications(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notification]:
        return read_notifications(headers, body, self._client.account.webhook_secrets, self._clock.now())

    def content_sources(self) -> Mapping[str, Sequence[str]]:
        # Browsers ask this of a form whose answer sends the payer on, too.
        return {"form-action": self._client.account.page_origins}

    async def check(self) -> Health:
        """Ask for the latest payment page: proves address, key and right to see pages, and charges nothing."""
        account = self._client.account
        try:
            await self._client.ping()
        except Fault as fault:
            failure = failure_of(fault)
            return Health(is_up=False, detail=f"{failure.kind.value}: {failure.raw}")
        mode = "test mode, no money moves" if account.is_test else "live mode"
        if not account.webhook_secrets:
            return Health(
                is_up=True, detail=f"key accepted, {mode}; no webhook secret: payments are seen when looked for"
            )
        return Health(is_up=True, detail=f"key accepted, {mode}")

    def _not_told(self, attempt: PaymentAttempt, fault: Fault) -> Outcome:
        """
        Return what it means that a page cannot be asked for.

        Stripe keeps its pages, so one that is missing is another account's. Only when nobody can pay on it any more,
        wherever it is, do we stop asking there.
        """
        if fault.status == 404 and self._clock.now() >= attempt.expires_at + _OUTLIVES:
            return Outcome(kind=Kind.NOT_FOUND, raw=fault.raw)
        return failure_of(fault)

    def _is_page(self, url: str | None) -> bool:
        return url is not None and (url.startswith("https://") or not self._client.account.api_url.startswith("https:"))


def _page(request: CheckoutRequest) -> PageOrder:
    """Return the order for a payment page: for one attempt always the same, or its key would not stand for it."""
    attempt = request.attempt
    units = to_units(attempt.amount, attempt.currency)
    locale = request.locale if request.locale in _LOCALES else SOURCE_LANGUAGE
    name = words_of(locale).say("Invoice {number}", number=attempt.number)
    named = {"reference": attempt.reference, "attempt": attempt.attempt_id, "invoice": attempt.number}
    order: PageOrder = {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": attempt.currency.lower(),
                    "unit_amount": units,
                    "product_data": {"name": name},
                },
            }
        ],
        "client_reference_id": attempt.reference,
        "metadata": named,
        "payment_intent_data": {"description": name, "metadata": named},
        "success_url": request.return_url,
        "cancel_url": request.cancel_url,
        "expires_at": int((attempt.expires_at + _OUTLIVES).timestamp()),
        "locale": _LOCALES[locale],
        "submit_type": "pay",
        # The invoice's currency is what is owed; Stripe must not offer another, nor take less by a code.
        "adaptive_pricing": {"enabled": False},
        "allow_promotion_codes": False,
        "phone_number_collection": {"enabled": request.requests_phone},
    }
    if attempt.payer_email is not None:
        order["customer_email"] = attempt.payer_email
    if request.requests_shipping:
        order["shipping_address_collection"] = {"allowed_countries": [*_COUNTRIES]}
    if request.wants_authentication:
        order["payment_method_options"] = {"card": {"request_three_d_secure": "any"}}
    return order


def _refund_order(attempt: PaymentAttempt, payment_intent: str, refund: Refund) -> RefundOrder:
    return {
        "payment_intent": payment_intent,
        "amount": to_units(refund.amount, attempt.currency),
        "metadata": {"refund": refund.refund_id, "reference": attempt.reference, "attempt": attempt.attempt_id},
    }
