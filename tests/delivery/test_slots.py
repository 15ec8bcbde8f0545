"""The slots: exactly the strings of a notification, the same in mail and webhook, and nothing hidden in them."""

from decimal import Decimal
from html import unescape

import pytest

from builders import NOON, TOKEN, a_payment, an_invoice, some_terms
from delivery.letters import BILLING, Reader, composed, html_of, some_facts, text_of
from paydue.delivery.mail_facts import WITH_CUSTOM_MESSAGE, MailKind, facts_of
from paydue.delivery.slots import Slots, slots_of
from paydue.delivery.telling import LONGEST_SUBJECT
from paydue.domain.merchant import Merchant
from paydue.domain.settings import LANGUAGES, Settings
from paydue.domain.terms import Customer
from paydue.usecases.announcements import ANNOUNCEMENTS, announcements
from paydue.usecases.ports import Channel

# In the order of the published notification.
NAMES = """
    merchantZip thankYou subject dueDate link body merchantState merchantName button invoiceBalance merchantAddress2
    invoiceNumber payerName customMessage currency merchantCity emailTo eventType balanceAmount organizationID
    merchantPhone emailLanguage invoiceUrl merchantAddress
""".split()

SENTENCES = ("subject", "body", "link", "button", "thank_you")


def test_the_payload_has_the_names_of_a_notification_in_its_order():
    payload = slots_of(some_facts()).payload()
    assert list(payload) == NAMES
    assert all(type(value) is str for value in payload.values())


def test_an_invoice_in_english():
    payload = slots_of(some_facts(event_type="invoicing.customer.invoice.send")).payload()
    url = payload.pop("invoiceUrl")
    assert url.startswith("https://pay.example/ebc2/invoicing/payInvoice/")
    assert payload == {
        "merchantZip": "04101",
        "thankYou": "Thank you for your business.",
        "subject": "Invoice 98769 from Harbour Lane Provisions",
        "dueDate": "2026-12-11",
        "link": "Open the invoice to see every detail and to pay online.",
        "body": "Here is invoice 98769 for USD\u00a0309.64, due on December\u00a011, 2026.",
        "merchantState": "ME",
        "merchantName": "Harbour Lane Provisions",
        "button": "View and pay",
        "invoiceBalance": "309.64",
        "merchantAddress2": " ",
        "invoiceNumber": "98769",
        "payerName": "Tanya Lee",
        "customMessage": "We bake again from January 4. Our terms: https://harbour.example/terms",
        "currency": "USD",
        "merchantCity": "Portland",
        "emailTo": "payer@customer.example",
        "eventType": "invoicing.customer.invoice.send",
        "balanceAmount": "309.64",
        "organizationID": "example",
        "merchantPhone": "+1 207 555 0142",
        "emailLanguage": "en-us",
        "merchantAddress": "14 Harbour Lane",
    }


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", BILLING)
def test_the_mail_says_what_the_slots_say(kind, language):
    facts = some_facts(kind, language)
    slots, mail = slots_of(facts), composed(facts)
    text, seen = text_of(mail), unescape("".join(Reader(html_of(mail)).seen))
    for name in (*SENTENCES, "custom_message"):
        value = getattr(slots, name)
        if name != "subject":
            assert value in text
            assert value in seen, name
    assert slots.invoice_url in text
    assert not slots.invoice_url or slots.invoice_url in Reader(html_of(mail)).links
    assert slots.email_language == language.lower()


@pytest.mark.parametrize("kind", BILLING)
def test_only_mails_that_ask_for_money_carry_the_custom_message(kind):
    assert bool(slots_of(some_facts(kind)).custom_message) is (kind in WITH_CUSTOM_MESSAGE)


def test_without_a_link_there_is_no_button():
    slots = slots_of(some_facts(payment_url=""))
    assert (slots.invoice_url, slots.button, slots.link) == ("", "", "")


@pytest.mark.parametrize("currency, digits", [("USD", "1234.50"), ("JPY", "1234"), ("KWD", "1234.500")])
def test_amounts_are_plain_digits_with_the_decimals_of_the_currency(currency, digits):
    amount = Decimal(digits).normalize()
    slots = slots_of(some_facts(currency=currency, total=amount, balance=amount))
    assert slots.invoice_balance == slots.balance_amount == digits


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", BILLING)
def test_a_subject_fits_and_keeps_the_whole_number(kind, language):
    for number in ("7", "N" * 20, "N" * 50):
        facts = some_facts(kind, language, number=number, settings={"merchant_display_name": "Möbel und Mehr " * 7})
        subject = slots_of(facts).subject
        assert len(subject) <= LONGEST_SUBJECT
        assert number in subject
        assert len(number) > 20 or kind in (MailKind.PAYMENT_RECEIVED, MailKind.NEEDS_ATTENTION) or "…" in subject


def test_what_was_announced_is_told_although_the_invoice_went_on():
    sent = an_invoice()
    sent = sent.send(NOON, TOKEN)
    part = sent.receive(a_payment("100", "TR-9"), NOON)
    message = announcements(sent, part)[0]
    paid = part.receive(a_payment("193.5"), NOON)
    assert message.channel is Channel.MAIL
    facts = facts_of(
        MailKind(message.topic), paid, message.facts, Merchant(merchant_id="m", name="Shop"), Settings(),
        today=some_terms().due_date, recipient=message.recipient or "", payment_url="https://pay.example/x",
    )  # fmt: skip
    assert (facts.amount, facts.balance, facts.paid, facts.transaction_id) == (100, Decimal("193.5"), 100, "TR-9")
    slots = slots_of(facts)
    assert slots.subject == "Payment received for invoice 7 from Shop"
    assert (slots.invoice_balance, slots.email_to) == ("193.50", "tanya.lee@my-email.world")


def test_every_mail_that_is_announced_can_be_written():
    for mail, _ in ANNOUNCEMENTS.values():
        assert mail is None or MailKind(mail)


@pytest.mark.parametrize(
    "hidden", ["\r\n", "\n", "\x00", "\x0b", "\x85", "\u2028", "\u2029", "\u202e", "\ud800", "\x1b["]
)
def test_nothing_hides_in_a_slot(hidden):
    nasty = f"a{hidden}b"
    slots = slots_of(
        some_facts(
            number=nasty,
            recipient=nasty,
            merchant={"name": nasty, "phone": nasty},
            settings={"merchant_display_name": nasty, "custom_email_message": nasty},
            terms={"customer": Customer(name=nasty)},
        )
    )
    single_lines = [value for name, value in slots.payload().items() if name != "customMessage"]
    assert not any(hidden[0] in value for value in single_lines)
    assert hidden[0] not in slots.custom_message.replace("\n", "") or hidden == "\n"


def test_a_name_that_advertises_is_not_spoken():
    for advert in ("Win at www.example.com", "HTTPS://x.example", "Write to a@b.example", "ftp://x"):
        facts = some_facts(settings={"merchant_display_name": advert}, merchant={"name": "Shop"})
        assert slots_of(facts).merchant_name == "Shop"
        text = text_of(composed(some_facts(terms={"customer": Customer(name=advert)})))
        assert f"Hello {advert}" not in text
        assert "Hello,\n" in text


def test_slots_are_a_value():
    assert slots_of(some_facts()) == slots_of(some_facts())
    assert Slots.__struct_config__.frozen
