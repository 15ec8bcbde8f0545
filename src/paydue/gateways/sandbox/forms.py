"""
What the test processor signs with, and what people see of it beside the card form: the challenge, the review console.
"""

import html
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from paydue.domain.money import CURRENCIES
from paydue.gateways.sandbox.ledger import Token, Transaction
from paydue.gateways.signed_json import InvalidToken, Unverified, jwk_of, write
from paydue.language.amounts import amount_writer
from paydue.language.locales import SOURCE_LANGUAGE
from paydue.language.words import words_of

_TOKEN_LASTS: Final = timedelta(minutes=15)


class SandboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    `origin` is where the test processor is reached by browsers and by us. All merchants of an installation sign with
    the one secret.
    """

    origin: str
    shared_secret: str
    is_production: bool
    slow_seconds: float = 40.0

    def __repr__(self) -> str:
        return f"SandboxSettings({self.origin!r})"


class Keys:
    """The key that sessions and tokens are signed with, made anew at each start."""

    def __init__(self) -> None:
        self._name = secrets.token_hex(8)
        self._key: RSAPrivateKey | None = None

    def session_token(self, session_id: str, context: dict[str, Any], at: datetime) -> str:
        claims = {"iss": "Flex API", "jti": session_id, "ctx": [context], **_times(at)}
        return write(claims, self._name, self._private())

    def transient_token(self, name: str, token: Token, at: datetime) -> str:
        """Return a token as a form hands it over: it shows a masked number and nothing more of the card."""
        card = token.card
        shown = {
            "number": {"maskedValue": f"XXXXXXXXXXXX{card.suffix}"},
            "expirationMonth": {"value": card.month},
            "expirationYear": {"value": card.year},
            "type": {"value": card.card.type_code},
        }
        claims = {
            "iss": "Flex/00",
            "type": "gda-0.9.0",
            "jti": name,
            "content": {"paymentInformation": {"card": shown}},
            **_times(at),
        }
        return write(claims, self._name, self._private())

    def token_name(self, unverified: Unverified) -> str:
        """Return the name of a token that this key has signed. Raises InvalidToken."""
        claims = unverified.verified(self._private().public_key())
        name = claims.get("jti")
        if not isinstance(name, str):
            raise InvalidToken("it has no name")
        return name

    def public(self, name: str) -> dict[str, str] | None:
        return jwk_of(self._private().public_key(), self._name) if name == self._name else None

    def _private(self) -> RSAPrivateKey:
        if self._key is None:
            self._key = generate_private_key(public_exponent=65537, key_size=2048)
        return self._key


def _times(at: datetime) -> dict[str, int]:
    return {"iat": int(at.timestamp()), "exp": int((at + _TOKEN_LASTS).timestamp())}


_STYLE: Final = """
body{font:16px/1.5 Geist,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;margin:0;padding:1rem;color:#10191b;
background:#fff;font-variant-numeric:tabular-nums lining-nums}
h1{font-size:1.375rem;font-weight:600;letter-spacing:-.02em}
form{display:grid;gap:.75rem;max-width:26rem;margin-block:1rem}
button{font:inherit;font-weight:600;padding:.5rem 1rem;border:1.5px solid #0b5966;border-radius:7px;min-height:2.75rem;
background:#0b5966;color:#fff;cursor:pointer}
button+button{background:none;color:#10191b;border-color:#7c8a8d;font-weight:500}
button:focus-visible{outline:2px solid;outline-offset:2px}
.test{background:#faf0dc;padding:.5rem .75rem;border-radius:7px;font-size:.875rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem;border-bottom:1px solid #dde3e3}
td form{display:inline-flex;gap:.5rem;margin:0}
"""

_CHALLENGE: Final = """
<p class="test"><strong>{mode}</strong> {stands}</p>
<h1>{question}</h1><p>{amount}, {code}</p>
<form method="post">
<button name="result" value="succeed">{succeed}</button>
<button name="result" value="fail">{fail}</button>
<button name="result" value="cancel">{cancel}</button>
</form>"""

_CHALLENGE_SCRIPT: Final = """
parent.postMessage({type: "paydue.challenge"}, document.body.dataset.origin);
"""


def challenge(payment: Transaction, nonce: str) -> str:
    """Return the page that asks a payer for proof, or says that this is over, in the payer's language."""
    say, language = words_of(payment.language).say, payment.language
    title = say("Test bank")
    if payment.status != "PENDING_AUTHENTICATION":
        over = f'<p role="status">{html.escape(say("The check is over. You are taken back."))}</p>'
        return _page(title, over, nonce, origin=payment.origin, script=_CHALLENGE_SCRIPT, language=language)
    shown = {
        "mode": say("Test mode."),
        "stands": say("This stands for the page of your bank."),
        "question": say("Is it you?"),
        "amount": _amount_of(payment),
        "code": payment.code,
        "succeed": say("Yes, it is me"),
        "fail": say("Fail the check"),
        "cancel": say("Cancel"),
    }
    body = _CHALLENGE.format(**{name: html.escape(value) for name, value in shown.items()})
    return _page(title, body, nonce, language=language)


def _amount_of(payment: Transaction) -> str:
    if payment.currency not in CURRENCIES:
        return f"{payment.amount:f} {payment.currency}"
    return amount_writer(payment.currency, payment.language).amount(payment.amount)


def console(payments: list[Transaction], nonce: str) -> str:
    """Return the page on which held payments are decided, and slow refunds arrive."""
    rows = "".join(
        f"<tr><td>{html.escape(each.code)}</td><td>{each.amount:f} {html.escape(each.currency)}</td>"
        f"<td>{html.escape(each.status)} {html.escape(each.reason)}</td><td>{_buttons(each)}</td></tr>"
        for each in payments
    )
    table = f"<table><thead><tr><th>Reference<th>Amount<th>Status<th>Decide</tr></thead><tbody>{rows}</tbody></table>"
    note = '<p class="test"><strong>Test mode.</strong> No money moves.</p><h1>Test processor</h1>'
    return _page("Test processor", note + (table if payments else "<p>No transactions yet.</p>"), nonce)


def _buttons(payment: Transaction) -> str:
    decisions = {
        "AUTHORIZED_PENDING_REVIEW": (("accept", "Accept"), ("reject", "Reject")),
        "PENDING_SETTLEMENT": (("settle", "Let it arrive"),),
    }.get(payment.status, ())
    if not decisions:
        return ""
    buttons = "".join(f'<button name="decision" value="{value}">{title}</button>' for value, title in decisions)
    return f'<form method="post" action="/console/{payment.transaction_id}">{buttons}</form>'


def _page(
    title: str, body: str, nonce: str, *, origin: str = "", script: str = "", language: str = SOURCE_LANGUAGE
) -> str:
    code = f'<script nonce="{nonce}">{script}</script>' if script else ""
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f'<style nonce="{nonce}">{_STYLE}</style>'
        f'<body data-origin="{html.escape(origin)}"><main>{body}</main>{code}</body></html>'
    )
