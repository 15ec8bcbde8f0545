"""The slip in words: what is due, the form to pay it by, or why there is none just now."""

import html
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from paydue.domain.payable import Payable, payable_now
from paydue.domain.payer_details import Asked
from paydue.domain.standing import Standing
from paydue.language.amounts import AmountParts, amount_writer
from paydue.language.moments import format_moment
from paydue.language.typed_amounts import marks_of
from paydue.pages.fault_words import declined_words, fault_words
from paydue.pages.form_fields import FieldWriter, Group
from paydue.pages.invoice_view import InvoiceWriter, share_paid
from paydue.pages.payer_templates import Rendered, icon
from paydue.pages.slip import (
    AMOUNT,
    CHOICE,
    Fault,
    Headline,
    Slip,
    Way,
)

_NO_AMOUNT: Final = AmountParts("", "", "", "")
_NOTHING: Final = Rendered("")


class Notice(NamedTuple):
    """A box at the top of the slip: `faults` are sentences with the fields that they lead to."""

    tone: str
    picture: Rendered
    heading: str
    text: str = ""
    faults: Sequence[tuple[str, str]] = ()
    after: str = ""
    action: str = ""


class SlipView(msgspec.Struct, frozen=True, kw_only=True):
    """
    One slip in the words and figures of its template. `shows` says what its lower part is: form, notice, paid, others.

    `big` is the amount in pieces. `share` is how much of `share_of` is paid, for the line below it.
    """

    shows: str
    slip_label: str
    big: AmountParts
    share: str
    share_of: str
    is_all_paid: bool
    is_waiting: bool = False
    told: str
    notice: Notice | None = None
    payer_key: str = ""
    way: str = ""
    gateway: str = ""
    offers_choice: bool = False
    choice_legend: str = ""
    pays_balance: bool = True
    balance: str = ""
    amount: str = ""
    amount_range: str = ""
    amount_fault: str = ""
    currency_before: str = ""
    currency_after: str = ""
    groups: Sequence[Group] = ()
    summary: str = ""
    summary_text: str = ""
    button: str = ""
    most: str = ""
    least: str = ""
    due: str = ""
    reading: Rendered = _NOTHING
    others: str = ""


class SlipWriter:
    """Writes the slip of one invoice. `asked` is what the payer is asked for besides money."""

    def __init__(
        self, writer: InvoiceWriter, standing: Standing, slip: Slip, asked: Asked, *, is_preview: bool = False
    ) -> None:
        self._is_preview = is_preview
        self._writer = writer
        self._standing = standing
        self._slip = slip
        self._asked = asked
        self._faults = {fault.field: self._words_of(fault) for fault in reversed(slip.faults)}

    def view(self) -> SlipView:
        """Return the slip as it stands."""
        writer, invoice, say = self._writer, self._writer.invoice, self._writer.look.words.say
        share, share_of = share_paid(invoice)
        is_paid = self._standing is Standing.PAID
        upper: dict[str, Any] = {
            "slip_label": say("Paid") if is_paid else say("Balance due"),
            "big": writer.money.parts(invoice.terms.total if is_paid else invoice.balance),
            "share": share,
            "share_of": share_of,
            "is_all_paid": is_paid,
            "told": self._told(),
        }
        if is_paid:
            return SlipView(shows="paid", **upper)
        if self._is_preview:
            most = invoice.balance
            return SlipView(shows="form", **upper, **self._form(Payable(most, most)))
        payable = payable_now(invoice)
        is_busy = self._slip.headline in (None, Headline.BUSY)
        if (notice := self._instead_of_a_form(payable)) is not None:
            return SlipView(shows="notice", notice=notice, is_waiting=is_busy, **upper)
        if self._slip.gateway.way is Way.NONE:
            others = say(
                "{merchant} tells you how to pay {amount}. Name invoice {number} when you do.",
                merchant=writer.look.name, amount=writer.money.amount(invoice.balance), number=invoice.number,
            )  # fmt: skip
            return SlipView(shows="others", others=others, **upper)
        return SlipView(shows="form", notice=self._trouble(payable), **upper, **self._form(payable))

    def _told(self) -> str:
        say, invoice, money = self._writer.look.words.say, self._writer.invoice, self._writer.money
        if self._standing is Standing.PAID:
            return say("Paid in full. Nothing is due.")
        if not invoice.paid:
            return say("Nothing paid yet")
        return say("{paid} of {total} paid", paid=money.amount(invoice.paid), total=money.amount(invoice.terms.total))

    def _instead_of_a_form(self, payable: Payable) -> Notice | None:
        """Return why nobody can pay at this moment."""
        say, slip = self._writer.look.words.say, self._slip
        if slip.headline is Headline.GATEWAY_DOWN:
            return Notice(
                "wait", icon("alert"), say("Payments are not possible right now"),
                say("Nothing was charged. Try again in a few minutes."), action=say("Try again"),
            )  # fmt: skip
        if slip.headline is Headline.TOO_MANY_TRIES:
            until = slip.again_at
            look = self._writer.look
            text = (
                say("You can try again at {time}.", time=format_moment(until, look.zone, look.language))
                if until is not None
                else say("Wait a while, then try again.")
            )
            return Notice("wait", icon("clock"), say("Too many tries."), text)
        if slip.headline is Headline.BUSY or not payable.most:
            return Notice(
                "wait", icon("clock"), say("Somebody is paying this invoice now."),
                say("This page updates by itself."), action=say("Check again"),
            )  # fmt: skip
        return None

    def _trouble(self, payable: Payable) -> Notice | None:
        """Return what went wrong with the try before this one."""
        say, slip = self._writer.look.words.say, self._slip
        not_charged = say("You have not been charged.")
        heading = say("There is a problem")
        if slip.faults:
            faults = [(_ANCHORS.get(fault.field, fault.field), self._words_of(fault)) for fault in slip.faults]
            return Notice("bad", icon("alert"), heading, faults=faults, after=not_charged)
        match slip.headline:
            case Headline.DECLINED:
                can_part = payable.is_choice and self._may_choose()
                why = declined_words(slip.reason, self._writer.look.words, smaller_is_possible=can_part)
                return Notice("bad", icon("alert"), heading, why, after=not_charged)
            case Headline.NOT_CHARGED:
                return Notice("wait", icon("info"), say("The payment was not completed."), not_charged)
        return None

    def _form(self, payable: Payable) -> dict[str, Any]:
        writer, slip = self._writer, self._slip
        words, money, face = writer.look.words, writer.money, slip.gateway
        say, currency = words.say, writer.invoice.terms.currency
        most = money.amount(payable.most)
        offers_choice = payable.is_choice and self._may_choose()
        pays_balance = slip.pays_balance or not offers_choice
        form: dict[str, Any] = {
            "payer_key": slip.payer_key,
            "way": face.way.value,
            "gateway": face.name,
            "pays_balance": pays_balance,
            "balance": most,
            "groups": FieldWriter(self._writer, self._slip, self._asked, self._faults).groups(),
            "summary": self._summary(most, money.amount(writer.invoice.balance - payable.most)) if pays_balance else "",
            # For the script, which knows the amount while it is typed.
            "summary_text": self._summary("{amount}", "{rest}"),
            "button": say("Pay {amount}", amount=most) if pays_balance else say("Pay this amount"),
            "due": str(writer.invoice.balance),
            "most": str(payable.most),
            "least": str(payable.least),
            "reading": _reading(currency, writer.look.language),
        }  # fmt: skip
        if offers_choice:
            form |= {
                "offers_choice": True,
                "choice_legend": writer.look.labels.name("partialPayment", say("How much do you want to pay?")),
                "amount": slip.amount,
                "amount_range": say("From {least} to {most}", least=money.amount(payable.least), most=most),
                "amount_fault": self._faults.get(AMOUNT) or self._faults.get(CHOICE, ""),
                "currency_before": money.before.strip(),
                "currency_after": money.after.strip(),
            }
        return form

    def _summary(self, amount: str, rest: str) -> str:
        writer = self._writer
        return writer.look.words.say(
            "You pay {merchant} {amount} for invoice {number}. Balance afterwards: {rest}.",
            merchant=writer.look.name, amount=amount, number=writer.invoice.number, rest=rest,
        )  # fmt: skip

    def _may_choose(self) -> bool:
        return not self._writer.look.labels.hides("partialPayment")

    def _words_of(self, fault: Fault) -> str:
        return fault_words(fault, self._writer.look.words, self._writer.money)


# Faults of the choice are mended in the field below it.
_ANCHORS: Final = {CHOICE: AMOUNT, "": "pay-form"}


@lru_cache(maxsize=512)
def _reading(currency: str, language: str) -> Rendered:
    """Return what the script reads and writes amounts by, as an attribute."""
    marks, money = marks_of(currency, language), amount_writer(currency, language)
    group = money.figures(Decimal(1000))[1]
    told = {
        "decimal": marks.decimal, "decimals": marks.decimals, "names": marks.names,
        "before": money.before, "after": money.after, "group": group, "locale": language,
    }  # fmt: skip
    return Rendered(f'data-reading="{html.escape(msgspec.json.encode(told).decode())}"')
