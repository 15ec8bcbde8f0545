"""
The card form that a payment page embeds: the one place in the whole installation where a card number is typed.

Apart from the other pages of the test processor because of what it promises the page around it. They speak by messages:
the frame says `paydue.ready` and its height, the page answers `paydue.hello` and later, when its own button is
pressed, `paydue.submit`; the frame then gives a `paydue.token`, or shows what is wrong and says `paydue.fault`. The
Enter key in the frame is `paydue.enter`: a wish to press the page's button. With `paydue.renew` the page moves what
is typed to another session, for another amount or a later hour. Without a hello the form has a button of its own.
"""

import html
from typing import Final

import msgspec

from paydue.gateways.sandbox.ledger import Session
from paydue.gateways.sandbox.scenarios import CARDS, CardFault
from paydue.language.words import words_of

_STYLE: Final = """
:root{color-scheme:light;--ink:#10191b;--ink-2:#465457;--edge:#7c8a8d;--bad:#a82a1f}
*{box-sizing:border-box}
body{margin:0;padding:3px;background:transparent;color:var(--ink);
font:16px/1.5 Geist,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-variant-numeric:tabular-nums lining-nums}
form{display:grid;align-items:end;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:16px 12px;margin:0}
.wide{grid-column:1/-1}
label{display:block;padding-bottom:8px;font-size:14px;font-weight:500}
input{width:100%;min-height:44px;padding:0 13px;border:1px solid var(--edge);border-radius:7px;background:#fff;
font:inherit;color:inherit}
input:focus-visible,button:focus-visible{outline:2px solid;outline-offset:1px}
input::placeholder{color:var(--ink-2);opacity:1}
input[aria-invalid=true]{border:2px solid var(--bad)}
button{min-height:44px;padding:0 16px;border:0;border-radius:7px;background:var(--ink);color:#fff;font:inherit;
font-weight:600;cursor:pointer}
p{margin:0;font-size:13px;color:var(--ink-2)}
#fault{font-size:14px;font-weight:500;color:var(--bad)}#fault:empty{display:none}
.embedded button{display:none}
@media (max-width:15rem){form{grid-template-columns:minmax(0,1fr)}}
"""

_FORM: Final = """
<form id="card" autocomplete="off" novalidate data-said="{said}">
<div class="wide"><label for="number">{number}</label>
<input id="number" name="number" inputmode="numeric" maxlength="23" list="numbers" autocomplete="cc-number"
aria-describedby="fault"></div>
<div><label for="expiry">{expiry}</label>
<input id="expiry" name="expiry" inputmode="numeric" maxlength="9" placeholder="{example}" autocomplete="cc-exp"
aria-describedby="fault"></div>
<div><label for="code">{code}</label>
<input id="code" name="code" inputmode="numeric" maxlength="4" autocomplete="cc-csc" aria-describedby="fault"></div>
<p class="wide" role="alert" id="fault"></p>
<p class="wide">{mode}</p>
<button class="wide">{use}</button>
</form>
<datalist id="numbers">{numbers}</datalist>"""

# The set of numbers stands in the page, so that a real one is refused before it leaves the browser.
_SCRIPT: Final = """
const known = new Set(Array.from(document.querySelectorAll("#numbers option"), (each) => each.value));
const origin = document.body.dataset.origin;
const form = document.getElementById("card"), fault = document.getElementById("fault");
const {number, expiry, code} = form.elements;
const said = JSON.parse(form.dataset.said);
let embedded = false, busy = false;

const tell = (message) => parent.postMessage(message, origin);
const height = () => Math.ceil(document.documentElement.getBoundingClientRect().height);

function refuse(field, words) {
  for (const each of [number, expiry, code]) each.removeAttribute("aria-invalid");
  fault.textContent = words;
  if (!field) return;
  field.setAttribute("aria-invalid", "true");
  field.focus();
}

async function tokenize() {
  if (busy) return;
  refuse(null, "");
  const digits = number.value.replace(/[ -]/g, "");
  const dates = expiry.value.replace(/[^0-9]/g, "");
  if (!digits) return wrong(number, said.missing);
  if (!known.has(digits)) {
    number.value = "";
    return wrong(number, said.number);
  }
  if (!/^(0[1-9]|1[0-2])(\\d\\d|20\\d\\d)$/.test(dates)) return wrong(expiry, said.expiry);
  if (code.value.length !== (digits.startsWith("37") ? 4 : 3)) {
    return wrong(code, said.code);
  }
  busy = true;
  try {
    const answer = await fetch(location.pathname + "/token", {
      method: "POST", headers: {"content-type": "application/json"},
      body: JSON.stringify({number: digits, month: dates.slice(0, 2), year: dates.slice(2), code: code.value}),
    });
    const found = await answer.json();
    if (!answer.ok) return wrong(form.elements[found.field] ?? number, found.message);
    tell({type: "paydue.token", token: found.token});
  } catch {
    wrong(null, said.silent);
  } finally {
    busy = false;
  }
}

function wrong(field, words) {
  refuse(field, words);
  tell({type: "paydue.fault"});
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (embedded) tell({type: "paydue.enter"});
  else tokenize();
});
// Without a button that shows, browsers send a form of several fields by no key.
form.addEventListener("keydown", (event) => {
  if (embedded && event.key === "Enter" && !event.isComposing) {
    event.preventDefault();
    tell({type: "paydue.enter"});
  }
});
expiry.addEventListener("input", (event) => {
  if (/^\\d\\d$/.test(expiry.value) && event.inputType === "insertText") expiry.value += " / ";
});
addEventListener("message", (event) => {
  if (event.origin !== origin || event.source !== parent) return;
  if (event.data?.type === "paydue.hello") {
    embedded = true;
    document.body.classList.add("embedded");
  }
  if (event.data?.type === "paydue.submit") tokenize();
  if (event.data?.type === "paydue.renew") {
    const session = new URL(event.data.url, location.href);
    if (session.origin === location.origin) history.replaceState(null, "", session);
  }
});
new ResizeObserver(() => tell({type: "paydue.height", height: height()})).observe(document.documentElement);
tell({type: "paydue.ready", height: height()});
"""


def card_form(session: Session, nonce: str) -> str:
    """Return the page that a payment page embeds, in its language; its script and its style bear that nonce."""
    say = words_of(session.language).say
    numbers = "".join(f'<option value="{number}">{card.scenario}</option>' for number, card in CARDS.items())
    said = {fault.value: said_of(fault, session.language) for fault in CardFault} | {
        "missing": say("Enter a card number."),
        "silent": say("The test processor does not answer. Nothing was charged."),
    }
    shown = {
        "said": msgspec.json.encode(said).decode(),
        "number": say("Card number"),
        "expiry": say("Expiry date"),
        "example": say("MM / YY"),
        "code": say("Security code"),
        "mode": say("Test mode. No money moves. Test numbers only."),
        "use": say("Use this card"),
    }
    form = _FORM.format(numbers=numbers, **{name: html.escape(value) for name, value in shown.items()})
    return (
        f'<!doctype html><html lang="{session.language}"><meta charset="utf-8">'
        f"<title>{html.escape(say('Test card'))}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style nonce="{nonce}">{_STYLE}</style>'
        f'<body data-origin="{html.escape(session.origin)}"><main>{form}</main>'
        f'<script nonce="{nonce}">{_SCRIPT}</script></body></html>'
    )


def said_of(fault: CardFault, language: str) -> str:
    """Return what is told to whoever typed a card that is refused."""
    say = words_of(language).say
    match fault:
        case CardFault.NUMBER:
            return say("Test numbers only. This is none of them.")
        case CardFault.EXPIRY:
            return say("Enter month and year, such as 12 / 30.")
        case CardFault.CODE:
            return say("The security code has three digits, four on American Express.")
