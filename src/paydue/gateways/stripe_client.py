"""
The calls to Stripe that paying needs, made by Stripe's own library over a connection that is not the library's.

The library writes the requests and reads the refusals. It opens no connection, keeps no telemetry and logs nothing:
each request goes through the port in `sending.py`, where the operator's rules for calls to others stand.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import msgspec
import stripe

from paydue.gateways.sending import Reply, Send
from paydue.gateways.stripe_objects import Session, StripeRefund

if TYPE_CHECKING:
    from stripe.params import RefundCreateParams
    from stripe.params.checkout import SessionCreateParams

# What is sent to open a page, and to give money back.
PageOrder: TypeAlias = "SessionCreateParams"
RefundOrder: TypeAlias = "RefundCreateParams"

STRIPE_URL: Final = stripe.DEFAULT_API_BASE
STRIPE_PAGE: Final = "https://checkout.stripe.com"

_SECONDS: Final = 10
_PAUSES: Final = (0.5, 2.0)
# Refunds of one payment on a page of a list: together they stay well below what an answer may hold.
_PAGE: Final = 25
_MOST_PAGES: Final = 40
_EXPANDED: Final = ["payment_intent.latest_charge"]
# These say what became of a request: whatever was lost before them, they are the answer to it.
_TELLING: Final = frozenset((400, 402, 404))


class StripeAccount(msgspec.Struct, frozen=True, kw_only=True):
    """
    A merchant's account at Stripe.

    `webhook_secrets`: those of every endpoint that may notify us, and while one is changed the old one too.
    `page_origins` are where Stripe's payment page may be: more than one where the merchant gave it a name of its own.
    """

    secret_key: str
    webhook_secrets: tuple[str, ...] = ()
    api_url: str = STRIPE_URL
    page_origins: tuple[str, ...] = (STRIPE_PAGE,)

    def __repr__(self) -> str:
        return f"StripeAccount({'test' if self.is_test else 'live'} at {self.api_url!r})"

    @property
    def is_test(self) -> bool:
        """Whether no money moves: Stripe's keys say so themselves."""
        return "_test_" in self.secret_key[:8]


class Fault(Exception):
    """
    Stripe gave no result. `status` is None when no whole answer came; `was_sent` is then False only when it certainly
    never heard of the request. `code`, `decline_code` and `param` are Stripe's own words.
    """

    def __init__(
        self,
        status: int | None,
        *,
        was_sent: bool = True,
        code: str = "",
        decline_code: str = "",
        param: str = "",
        is_other_request: bool = False,
    ) -> None:
        super().__init__(f"HTTP {status}" if status is not None else "no whole answer")
        self.status = status
        self.was_sent = was_sent
        self.code = code
        self.decline_code = decline_code
        self.param = param
        self.is_other_request = is_other_request

    @property
    def raw(self) -> str:
        if self.status is None:
            return "no whole answer" if self.was_sent else "not reached"
        return " ".join(each for each in (f"HTTP {self.status}", self.code, self.decline_code, self.param) if each)[
            :200
        ]


class _RefundPage(msgspec.Struct, frozen=True):
    data: list[StripeRefund]
    has_more: bool = False


class _Any(msgspec.Struct, frozen=True):
    object: str = ""


_T = TypeVar("_T")


class StripeClient:
    """
    Every method returns what Stripe answered, and raises Fault when there is no result.

    An answer that was lost is asked for again under the same idempotency key, which Stripe carries out once.
    """

    def __init__(self, account: StripeAccount, send: Send, *, pauses: Sequence[float] = _PAUSES) -> None:
        self.account = account
        # The telemetry writes a file into the home folder and tells Stripe of the machine.
        stripe.enable_telemetry = False
        # It logs what it sends: a payer's address, and the address of the payment page.
        logging.getLogger("stripe").setLevel(logging.WARNING)
        self._library = stripe.StripeClient(
            account.secret_key,
            base_addresses={"api": account.api_url},
            http_client=_Through(send, pauses),
            max_network_retries=0,
        )

    async def open_session(self, order: PageOrder, key: str) -> Session:
        call = self._library.v1.checkout.sessions.create_async(order, {"idempotency_key": key})
        return await _read(call, Session)

    async def session(self, session: str) -> Session:
        call = self._library.v1.checkout.sessions.retrieve_async(session, {"expand": _EXPANDED})
        return await _read(call, Session)

    async def expire_session(self, session: str) -> Session:
        call = self._library.v1.checkout.sessions.expire_async(session, {"expand": _EXPANDED})
        return await _read(call, Session)

    async def refund(self, order: RefundOrder, key: str) -> StripeRefund:
        return await _read(self._library.v1.refunds.create_async(order, {"idempotency_key": key}), StripeRefund)

    async def refund_by_id(self, refund: str) -> StripeRefund:
        return await _read(self._library.v1.refunds.retrieve_async(refund), StripeRefund)

    async def refund_named(self, payment_intent: str, name: str, value: str) -> StripeRefund | None:
        """Return the refund of a payment that has this in its metadata. Unlike a search, the list never lags behind."""
        after = ""
        for _ in range(_MOST_PAGES):
            call = self._library.v1.refunds.list_async(
                {"payment_intent": payment_intent, "limit": _PAGE, "starting_after": after}
                if after
                else {"payment_intent": payment_intent, "limit": _PAGE}
            )
            page = await _read(call, _RefundPage)
            for each in page.data:
                if (each.metadata or {}).get(name) == value:
                    return each
            if not page.has_more or not page.data:
                break
            after = page.data[-1].id
        return None

    async def ping(self) -> None:
        """Ask for something harmless that needs the right to see payment pages."""
        await _read(self._library.v1.checkout.sessions.list_async({"limit": 1}), _Any)


async def _read(call: Awaitable[object], form: type[_T]) -> _T:
    try:
        answer = await call
    except stripe.StripeError as fault:
        raise _fault(fault) from None
    except (AttributeError, KeyError, TypeError):
        # The library takes the form of a refusal for granted.
        raise Fault(None) from None
    body = getattr(getattr(answer, "last_response", None), "body", "")
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.MsgspecError, RecursionError):
        raise Fault(200, code="unreadable") from None


def _fault(fault: stripe.StripeError) -> Fault:
    if isinstance(fault, _Unanswered):
        return Fault(None, was_sent=fault.was_sent)
    told = fault.error
    members = told.to_dict() if told is not None else {}
    return Fault(
        fault.http_status or 0,
        code=_word(members.get("code")),
        decline_code=_word(members.get("decline_code")),
        param=_word(members.get("param")),
        is_other_request=isinstance(fault, stripe.IdempotencyError),
    )


def _word(value: object) -> str:
    return value[:100] if isinstance(value, str) else ""


class _Unanswered(stripe.APIConnectionError):
    def __init__(self, *, was_sent: bool) -> None:
        super().__init__("no whole answer")  # type: ignore[no-untyped-call]
        self.was_sent = was_sent


class _Through(stripe.HTTPClient):
    """Hands the library's requests to the port, and asks again where that may help."""

    name = "paydue"

    def __init__(self, send: Send, pauses: Sequence[float]) -> None:
        super().__init__()
        self._send = send
        self._pauses = pauses

    async def request_with_retries_async(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: Any = None,
        max_network_retries: int | None = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """
        Return text, status and headers of the answer.

        Not the library's own way to try again: that would forget that an earlier try may have reached Stripe, when
        the last one did not.
        """
        request = (method.upper(), url, tuple(headers.items()), post_data.encode() if post_data else b"")
        reply = await self._send(*request, seconds=_SECONDS)
        may_be_done = False
        for pause in self._pauses:
            if not _asks_again(reply):
                break
            may_be_done = may_be_done or _may_be_done(reply)
            await asyncio.sleep(pause)
            reply = await self._send(*request, seconds=_SECONDS)
        is_telling = reply.status is not None and (200 <= reply.status < 300 or reply.status in _TELLING)
        if reply.status is None or (may_be_done and not is_telling):
            raise _Unanswered(was_sent=may_be_done or _may_be_done(reply))
        return reply.body.decode(errors="replace"), reply.status, {}


def _asks_again(reply: Reply) -> bool:
    return reply.status is None or reply.status in (409, 429) or reply.status >= 500


def _may_be_done(reply: Reply) -> bool:
    return reply.was_sent if reply.status is None else reply.status == 409 or reply.status >= 500
