"""How a try to pay is told to the payer who made it: as a slip of the page, as JSON for its script, as a way to go."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.settings import Settings
from paydue.pages.answers import Answer, Header
from paydue.pages.pay_form import typed_before
from paydue.pages.payment_page import LINK_PATH, Found
from paydue.pages.slip import Headline, Slip
from paydue.usecases.gateway_ports import Checkout, Reason

_JSON_HEADERS: Final[tuple[Header, ...]] = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_ENDED_WITHOUT_MONEY: Final = frozenset((AttemptState.FAILED, AttemptState.CANCELED, AttemptState.EXPIRED))
# An asked-for proof is still a payment under way; only these say that nothing more will happen by itself.
_CONFIRMING: Final = frozenset((AttemptState.SUBMITTED, AttemptState.UNKNOWN))

# What the page's script knows an attempt's states by.
_STATES: Final[Mapping[AttemptState, str]] = {
    AttemptState.BEGUN: "open",
    AttemptState.OPEN: "open",
    AttemptState.SUBMITTED: "confirming",
    AttemptState.UNKNOWN: "confirming",
    AttemptState.WAITING_FOR_PAYER: "challenge",
    AttemptState.HELD: "in review",
    AttemptState.SETTLED: "settled",
    AttemptState.FAILED: "failed",
    AttemptState.CANCELED: "ended",
    AttemptState.EXPIRED: "ended",
}


def json_answer(status: int, members: Mapping[str, Any], *headers: Header) -> Answer:
    return Answer(status, msgspec.json.encode(members), (*_JSON_HEADERS, *headers))


def see_other(url: str) -> Answer:
    """Return what sends a browser there with a GET."""
    location = (b"location", url.encode("ascii"))
    return Answer(303, b"", (location, (b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")))


def link_of(token: str, language: str | None = None, **query: str) -> str:
    """Return the path of a payment page; `query` has nothing in it that needs escaping."""
    asked = {"version": "v2.1"} | ({"lang": language} if language is not None else {}) | query
    return f"{LINK_PATH}{token}?" + "&".join(f"{name}={value}" for name, value in asked.items())


def page_of(attempt: PaymentAttempt, token: str, language: str | None) -> str:
    """Return where an attempt can be looked at, again and again."""
    return link_of(token, language, attempt=attempt.attempt_id)


def way_on(attempt: PaymentAttempt, settings: Settings, page: str) -> str:
    """Return where to go once an attempt has come to its result: where the merchant wants it, or its own page."""
    match attempt.state:
        case AttemptState.SETTLED:
            return settings.redirect_accepted or page
        case AttemptState.HELD:
            return settings.redirect_pending or page
        case AttemptState.FAILED:
            return settings.redirect_rejected or page
    return page


def state_json(attempt: PaymentAttempt, settings: Settings, page: str) -> dict[str, Any]:
    """
    Return how an attempt stands, for the page's script.

    `page` is where it is told in full; `go` where to go now, once there is a result; `challenge_url` what the bank
    wants the payer to see.
    """
    told: dict[str, Any] = {"attempt_id": attempt.attempt_id, "state": _STATES[attempt.state], "page": page}
    if attempt.state is AttemptState.WAITING_FOR_PAYER and attempt.next_url is not None:
        told["challenge_url"] = attempt.next_url
    elif attempt.is_final or attempt.state is AttemptState.HELD:
        told["go"] = way_on(attempt, settings, page)
    return told


def opened_json(attempt: PaymentAttempt, checkout: Checkout, page: str, seconds: int) -> dict[str, Any]:
    """Return what the page's script needs to show the gateway's form, which lasts for so many seconds."""
    handed_on = ("frame_url", "client_token", "script_url", "integrity", "redirect_url")
    return {
        "attempt_id": attempt.attempt_id,
        "state": "open",
        "page": page,
        "amount": str(attempt.amount),
        "seconds": seconds,
        **{name: value for name in handed_on if (value := getattr(checkout, name)) is not None},
    }


def slip_of(attempt: PaymentAttempt, found: Found, fresh: Slip, language: str) -> Slip:
    """Return the slip that tells how the attempt stands; what was typed for it is there to be tried again."""
    told = replace(
        fresh,
        attempt_amount=attempt.amount,
        attempt_email=attempt.payer_email or found.invoice.terms.email,
        check_query=f"attempt={attempt.attempt_id}",
        reason=attempt.reason,
    )
    if attempt.state in _ENDED_WITHOUT_MONEY:
        return typed_before(attempt, found, language).on(replace(told, headline=_headline_of_end(attempt)))
    if attempt.state is AttemptState.WAITING_FOR_PAYER:
        return replace(told, headline=Headline.CHALLENGE, challenge_url=attempt.next_url or "")
    if attempt.state in _CONFIRMING:
        return replace(told, headline=Headline.CONFIRMING)
    return told if attempt.state in (AttemptState.HELD, AttemptState.SETTLED) else fresh


def _headline_of_end(attempt: PaymentAttempt) -> Headline:
    if attempt.state is not AttemptState.FAILED:
        return Headline.NOT_CHARGED
    if attempt.reason == Reason.CONFIRMING.value:
        # Money came that fits nowhere: people are looking at it.
        return Headline.CONFIRMING
    if attempt.reason == Reason.TRY_LATER.value and not attempt.is_declined:
        return Headline.GATEWAY_DOWN
    return Headline.DECLINED
