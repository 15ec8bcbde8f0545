"""
A mail in pieces: the plain strings that both the mail and the webhook about the same event say, rendered once.

The names and their order are those of the compatible API's notifications; there every value is text.
"""

from typing import Any, Final

import msgspec

from paydue.delivery.mail_facts import WITH_CUSTOM_MESSAGE, MailFacts
from paydue.delivery.plain_text import lines, one_line
from paydue.delivery.telling import Wording, merchant_name
from paydue.delivery.wording import wording_of
from paydue.domain.merchant import Address
from paydue.domain.money import exponent

# The API's documents show a space where a second line of the address is missing.
_NO_SECOND_LINE: Final = " "


class Slots(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """
    What a notification's `data` says. `link` is the sentence above the button, `button` its caption.

    Amounts are plain digits with the currency's decimals, the due date is ISO 8601, as the API's documents show them.
    """

    merchant_zip: str
    thank_you: str
    subject: str
    due_date: str
    link: str
    body: str
    merchant_state: str
    merchant_name: str
    button: str
    invoice_balance: str
    merchant_address2: str
    invoice_number: str
    payer_name: str
    custom_message: str
    currency: str
    merchant_city: str
    email_to: str
    event_type: str
    balance_amount: str
    organization_id: str = msgspec.field(name="organizationID")
    merchant_phone: str
    email_language: str
    invoice_url: str
    merchant_address: str

    def payload(self) -> dict[str, Any]:
        """Return the slots by their names in a notification, in its order."""
        payload: dict[str, Any] = msgspec.to_builtins(self)
        return payload


def slots_of(facts: MailFacts, wording: Wording | None = None) -> Slots:
    """
    Return the slots of these facts; `wording` is theirs, when the caller has it already.

    Nothing in them can end a line of a header or hide from a reader. Raises UnknownLanguage.
    """
    said = wording or wording_of(facts)
    merchant, customer = facts.merchant, facts.terms.customer
    address = merchant.address or Address()
    balance = f"{facts.balance:.{exponent(facts.currency)}f}"
    message = facts.settings.custom_email_message if facts.kind in WITH_CUSTOM_MESSAGE else None
    return Slots(
        merchant_zip=one_line(address.postal_code),
        thank_you=said.thank_you,
        subject=said.subject,
        due_date=facts.due_date.isoformat(),
        link=said.link if facts.url else "",
        body=said.body,
        merchant_state=one_line(address.state),
        merchant_name=merchant_name(facts),
        button=said.button if facts.url else "",
        invoice_balance=balance,
        merchant_address2=one_line(address.address2) or _NO_SECOND_LINE,
        invoice_number=one_line(facts.number),
        payer_name=one_line(customer.name) if customer is not None else "",
        custom_message=lines(message),
        currency=facts.currency,
        merchant_city=one_line(address.city),
        email_to=one_line(facts.recipient),
        event_type=facts.event_type,
        balance_amount=balance,
        organization_id=merchant.merchant_id,
        merchant_phone=one_line(merchant.phone),
        email_language=facts.language.lower(),
        invoice_url=facts.url,
        merchant_address=one_line(address.address1),
    )
