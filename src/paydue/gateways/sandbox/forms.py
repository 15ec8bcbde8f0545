"""
What people see of the test processor: the card form that a payment page embeds, the challenge, the review console.

A card number is typed here and nowhere else. What leaves this origin is a token.
"""

import html
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from paydue.gateways.sandbox.ledger import Session, Token, Transaction
from paydue.gateways.sandbox.scenarios import CARDS
from paydue.gateways.signed_json import InvalidToken, Unverified, jwk_of, write

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
body{font:16px/1.5 system-ui,sans-serif;margin:0;padding:1rem;color:#14202b;background:#fff}
form{display:grid;gap:.75rem;max-width:26rem}label{display:grid;gap:.25rem;font-weight:600}
input,button{font:inherit;padding:.6rem;border:1px solid #5b6b7a;border-radius:.4rem;min-height:2.75rem}
button{background:#0b5cad;color:#fff;border-color:#0b5cad;cursor:pointer}
.test{background:#fff3cd;border:1px solid #8a6d00;padding:.5rem .75rem;border-radius:.4rem}
.row{display:grid;grid-template-columns:1fr 1fr 1fr;gap:.5rem}[role=alert]{color:#a40000}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem;border-bottom:1px solid #ccd3da}
td form{display:inline-flex;gap:.5rem}
"""

_FORM: Final = """
<form id="card" autocomplete="off">
<p class="test"><strong>Test mode.</strong> No money moves. Test numbers only.</p>
<p>{amount} {currency}, {code}</p>
<label>Card number<input name="number" inputmode="numeric" required maxlength="23" list="numbers"></label>
<datalist id="numbers">{numbers}</datalist>
<div class="row"><label>Month<input name="month" inputmode="numeric" required maxlength="2"></label>
<label>Year<input name="year" inputmode="numeric" required maxlength="4"></label>
<label>Code<input name="code" inputmode="numeric" required maxlength="4"></label></div>
<p role="alert" id="fault"></p>
<button>Use this card</button>
</form>"""

# The set of numbers stands in the page, so that a real one is refused before it leaves the browser.
_FORM_SCRIPT: Final = """
const known = new Set(Array.from(document.querySelectorAll("#numbers option"), (each) => each.value));
const form = document.getElementById("card"), fault = document.getElementById("fault");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  fault.textContent = "";
  const typed = Object.fromEntries(new FormData(form));
  if (!known.has(typed.number.replace(/[ -]/g, ""))) {
    form.elements.number.value = "";
    fault.textContent = "Test numbers only. This is none of them.";
    form.elements.number.focus();
    return;
  }
  const answer = await fetch(location.pathname + "/token", {
    method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(typed),
  });
  const found = await answer.json();
  if (!answer.ok) { fault.textContent = found.message; return; }
  form.reset();
  parent.postMessage({type: "paydue.token", token: found.token}, document.body.dataset.origin);
});
"""

_CHALLENGE: Final = """
<p class="test"><strong>Test mode.</strong> This stands for the page of the bank.</p>
<h1>Is it you?</h1><p>{amount} {currency}, {code}</p>
<form method="post">
<button name="result" value="succeed">Yes, it is me</button>
<button name="result" value="fail">Fail the check</button>
<button name="result" value="cancel">Cancel</button>
</form>"""

_CHALLENGE_OVER: Final = """<p role="status">The check is over. You are taken back.</p>"""
_CHALLENGE_SCRIPT: Final = """
parent.postMessage({type: "paydue.challenge"}, document.body.dataset.origin);
"""


def card_form(session: Session, nonce: str) -> str:
    """Return the page that a payment page embeds."""
    numbers = "".join(f'<option value="{number}">{card.scenario}</option>' for number, card in CARDS.items())
    body = _FORM.format(
        amount=f"{session.amount:f}",
        currency=html.escape(session.currency),
        code=html.escape(session.code),
        numbers=numbers,
    )
    return _page("Test card", body, nonce, origin=session.origin, script=_FORM_SCRIPT)


def challenge(payment: Transaction, nonce: str) -> str:
    """Return the page that asks a payer for proof, or says that this is over."""
    if payment.status != "PENDING_AUTHENTICATION":
        return _page("Test bank", _CHALLENGE_OVER, nonce, origin=payment.origin, script=_CHALLENGE_SCRIPT)
    body = _CHALLENGE.format(
        amount=f"{payment.amount:f}", currency=html.escape(payment.currency), code=html.escape(payment.code)
    )
    return _page("Test bank", body, nonce)


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


def _page(title: str, body: str, nonce: str, *, origin: str = "", script: str = "") -> str:
    code = f'<script nonce="{nonce}">{script}</script>' if script else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f'<style nonce="{nonce}">{_STYLE}</style>'
        f'<body data-origin="{html.escape(origin)}"><main>{body}</main>{code}</body></html>'
    )
