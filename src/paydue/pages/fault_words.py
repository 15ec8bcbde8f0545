"""What is wrong with a form, and why a card was declined, in sentences that say what to do."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from paydue.language.amounts import AmountWriter, format_number
from paydue.language.words import Words
from paydue.pages.slip import Fault, Wrong
from paydue.usecases.gateway_ports import Reason


def fault_words(fault: Fault, words: Words, money: AmountWriter) -> str:
    """Return the sentence for one fault. Raises UnknownLanguage."""
    values = {name: _written(value, words, money) for name, value in fault.values.items()}
    if fault.wrong is Wrong.AMOUNT_DECIMALS and not fault.values.get("decimals"):
        return words.say("Enter an amount without decimals.")
    return _SENTENCES[fault.wrong](words.say, values)


def declined_words(reason: str | None, words: Words, *, smaller_is_possible: bool) -> str:
    """Return why a card was declined, in the classes that a payer may know."""
    say = words.say
    match reason:
        case Reason.CHECK_DETAILS:
            return say("The details do not match what your bank holds. Check them and try again.")
        case Reason.EXPIRED:
            return say("The card has expired. Use another card.")
        case Reason.FUNDS if smaller_is_possible:
            return say("Your bank refused the amount. Use another card, or pay a smaller part.")
        case Reason.FUNDS:
            return say("Your bank refused the amount. Use another card.")
        case Reason.AUTHENTICATION:
            return say("Your bank could not confirm that it is you. Try again.")
        case Reason.NOT_ACCEPTED:
            return say("This kind of card is not accepted. Use another card.")
        case Reason.TRY_LATER:
            return say("The payment could not be made. Try again in a few minutes.")
    return say("Your bank declined the card. Use another card, or ask your bank.")


Say = Callable[..., str]

_SENTENCES: Final[Mapping[Wrong, Callable[[Say, Mapping[str, str]], str]]] = {
    Wrong.AMOUNT_MISSING: lambda say, _: say("Enter an amount."),
    Wrong.AMOUNT_UNREADABLE: lambda say, _: say("Enter the amount in figures."),
    Wrong.AMOUNT_DECIMALS: lambda say, values: say("Enter an amount with no more than {decimals} decimals.", **values),
    Wrong.AMOUNT_RANGE: lambda say, values: say("Enter an amount between {least} and {most}.", **values),
    Wrong.AMOUNT_CHANGED: lambda say, _: say("What can be paid has changed meanwhile. Choose the amount again."),
    Wrong.EMAIL_MISSING: lambda say, _: say("Enter an email address."),
    Wrong.EMAIL_WRONG: lambda say, _: say("Enter an email address such as name@example.com."),
    Wrong.PHONE_MISSING: lambda say, _: say("Enter a phone number."),
    Wrong.PHONE_WRONG: lambda say, _: say("Enter a phone number of 6 to 15 digits."),
    Wrong.ADDRESS_MISSING: lambda say, _: say("Fill in this part of the address."),
    Wrong.COUNTRY_UNKNOWN: lambda say, _: say("Choose a country."),
    Wrong.TEXT_LENGTH: lambda say, values: say("Enter {least} to {most} characters.", **values),
    Wrong.TEXT_SHORT: lambda say, values: say("Enter at least {least} characters.", **values),
    Wrong.TEXT_LONG: lambda say, values: say("Enter no more than {most} characters.", **values),
    Wrong.NOT_A_CHOICE: lambda say, _: say("Choose one of the values."),
    Wrong.CARD_NUMBER: lambda say, _: say("Do not enter a card number here."),
    Wrong.FORM_OLD: lambda say, _: say("This form is too old. Check it and send it again."),
}


def _written(value: Decimal | int, words: Words, money: AmountWriter) -> str:
    return money.amount(value) if isinstance(value, Decimal) else format_number(value, words.language)
