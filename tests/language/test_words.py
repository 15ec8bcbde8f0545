"""Sentences and dates: plurals where a language bends them, values that stay values, and nothing read too early."""

import subprocess
import sys
from datetime import date

import pytest

from paydue.domain.settings import LANGUAGES
from paydue.language.dates import format_date, format_long_date
from paydue.language.locales import UnknownLanguage
from paydue.language.words import Words, words_of

OVERDUE = ("Invoice {number} is {count} day overdue", "Invoice {number} is {count} days overdue")


@pytest.mark.parametrize(
    "language, count, sentence",
    [
        ("en-US", 1, "Invoice 7 is 1 day overdue"),
        ("en-US", 2, "Invoice 7 is 2 days overdue"),
        ("fr-FR", 1, "Facture 7 en retard de 1 jour"),
        ("ru-RU", 1, "Счёт 7 просрочен на 1 день"),
        ("ru-RU", 3, "Счёт 7 просрочен на 3 дня"),
        ("ru-RU", 5, "Счёт 7 просрочен на 5 дней"),
        ("ru-RU", 21, "Счёт 7 просрочен на 21 день"),
        ("ja-JP", 1, "請求書 7 のお支払期限を 1 日過ぎております"),
        ("de-DE", 1234, "Rechnung 7 ist seit 1.234 Tagen überfällig"),
    ],
)
def test_a_count_bends_its_sentence(language, count, sentence):
    assert words_of(language).say_count(*OVERDUE, count, number="7") == sentence


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_stands_in_a_value_is_never_looked_at(language):
    hostile = "{number} {0} {merchant.__class__} %s %(number)s $number {{ 7 * 7 }} \\1"
    assert hostile in words_of(language).say("Hello {name},", name=hostile)


def test_a_text_that_nobody_translated_is_said_in_english():
    assert words_of("de-DE").say("{number} is not in any catalogue", number="7") == "7 is not in any catalogue"


def test_the_same_speaker_is_kept():
    assert words_of("pt-BR") is words_of("pt-BR")


def test_a_language_that_is_none_of_ours_is_refused():
    with pytest.raises(UnknownLanguage, match="'de-AT' is none of"):
        Words("de-AT")


@pytest.mark.parametrize(
    "language, long, short",
    [
        ("en-US", "December 5, 2026", "Dec 5, 2026"),
        ("de-DE", "5. Dezember 2026", "05.12.2026"),
        ("fr-FR", "5 décembre 2026", "5 déc. 2026"),
        ("ru-RU", "5 декабря 2026 г.", "5 дек. 2026 г."),
        ("pt-BR", "5 de dezembro de 2026", "5 de dez. de 2026"),
        ("es-419", "5 de diciembre de 2026", "5 dic 2026"),
        ("ja-JP", "2026年12月5日", "2026/12/05"),
        ("zh-CN", "2026年12月5日", "2026年12月5日"),
        ("zh-TW", "2026年12月5日", "2026年12月5日"),
    ],
)
def test_a_date_looks_as_its_readers_write_it(language, long, short):
    day = date(2026, 12, 5)
    assert plain(format_long_date(day, language)) == long
    assert plain(format_date(day, language)) == short


def test_day_and_month_stay_on_one_line():
    assert format_long_date(date(2026, 12, 5), "en-US") == "December\u00a05, 2026"


def test_the_room_is_entered_without_reading_babel():
    code = (
        "import sys, paydue.language.amounts, paydue.language.dates, paydue.language.words\n"
        "assert 'babel' not in sys.modules\n"
        "paydue.language.words.words_of('de-DE')\n"
        "assert 'babel' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")
