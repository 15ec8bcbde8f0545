"""
Makes the fonts that documents are set in: `python tests/documents/make_fonts.py FOLDER`.

They are made once and kept in the repository, so that no machine needs fonts of its own and every machine draws the
same PDF. FOLDER holds the originals, taken as they are from

    npm     geist 1.9.2                      Geist-Regular.ttf, Geist-Medium.ttf, Geist-SemiBold.ttf
    npm     @expo-google-fonts/noto-emoji    NotoEmoji_400Regular.ttf
    Debian  fonts-noto-cjk 20220127          NotoSansCJK-Regular.ttc, NotoSansCJK-Bold.ttc
    Debian  fonts-noto-core 20201225         NotoSans-Regular.ttf, NotoSans-Bold.ttf, and of NotoSansArabic,
                                             NotoSansDevanagari, NotoSansHebrew and NotoSansThai the Regular

Afterwards `src/paydue/documents/fonts/` holds what documents need of them, and `coverage.txt` beside them says which
characters can be drawn.
"""

import shutil
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont
from fontTools.ttLib.tables._c_m_a_p import CmapSubtable

FONTS = Path(__file__).parents[2] / "src" / "paydue" / "documents" / "fonts"
COVERAGE = FONTS / "coverage.txt"


def _codes(ranges: str) -> frozenset[int]:
    bounds = (one.split("-") for one in ranges.split())
    return frozenset(code for first, last in bounds for code in range(int(first, 16), int(last, 16) + 1))


_AS_THEY_ARE = ("Geist-Regular", "Geist-Medium", "Geist-SemiBold")
_OTHER_SCRIPTS = ("Arabic", "Devanagari", "Hebrew", "Thai")
_ALL_CHINESE = range(0x4E00, 0xA000)
# What holds the parts of a character together, a place where a word may be parted, and the East Asian space.
_INVISIBLE = frozenset({0xAD, 0x200C, 0x200D, 0x3000})
_HANGUL = range(0xAC00, 0xD7A4)
# Han characters, kana and the marks of those scripts; Latin, Greek and Cyrillic are Geist's and Noto Sans'.
_EAST_ASIAN = _codes("2010-2E7F 2E80-FAFF FE10-FE6F FF00-FFEF 20000-2FFFF")
# Latin with its accents, Greek, Cyrillic, then Vietnamese and polytonic Greek, punctuation, currencies, letterlike.
# Beyond the standards, and in the names of people and shops.
_NAMES = frozenset(map(ord, "𠀋𠮟𠮷𡈽𣘺𤭖"))
# Arrows, enclosed figures, check marks.
_SIGNS = _codes("2190-27BF")
_EUROPEAN = _codes("20-52F 1E00-206F 20A0-20C0 2100-214F")


def make_fonts(originals: Path) -> None:
    """Write every font and the table of what they cover; what was there before goes."""
    for old in FONTS.glob("*.[ot]tf"):
        old.unlink()
    for name in _AS_THEY_ARE:
        shutil.copyfile(originals / f"{name}.ttf", FONTS / f"{name}.ttf")
    for name in _OTHER_SCRIPTS:
        _keep(TTFont(originals / f"NotoSans{name}-Regular.ttf"), None, FONTS / f"NotoSans{name}-Regular.ttf")
    _keep(TTFont(originals / "NotoEmoji_400Regular.ttf"), None, FONTS / "NotoEmoji-Regular.ttf")
    for weight in ("Regular", "Bold"):
        _keep(TTFont(originals / f"NotoSans-{weight}.ttf"), _EUROPEAN, FONTS / f"NotoSans-{weight}.ttf")
    japanese, simplified, traditional = (_east_asian(_encoded_by(codec)) for codec in ("cp932", "gb2312", "big5"))
    everyday = japanese | simplified | {code for code in traditional if _is_everyday_big5(code)}
    korean = set(_encoded_by("euc_kr")) & set(_HANGUL)
    for weight, codes in (
        ("Regular", japanese | simplified | traditional | korean | set(_ALL_CHINESE) | _NAMES | _SIGNS),
        # Bold is for names and headings: a character outside the everyday ones is then drawn in Regular.
        ("Bold", everyday),
    ):
        font = _simplified_chinese_of(TTCollection(originals / f"NotoSansCJK-{weight}.ttc", lazy=True))
        _keep_forms(font, {"JAN ": japanese, "ZHT ": traditional})
        _keep(font, codes, FONTS / f"NotoSansCJK-{weight}.otf", ["locl"])
    COVERAGE.write_text("\n".join(coverage_lines()) + "\n", encoding="ascii")


def coverage_lines() -> Iterator[str]:
    """Yield the ranges of characters that the fonts draw together, as `first-last` in hexadecimal."""
    codes_of_all: set[int] = set()
    for path in FONTS.glob("*.[ot]tf"):
        with TTFont(path) as font:
            codes_of_all.update(font.getBestCmap())
    # Private characters mean what their writer's font says, and an archive may not hold them.
    covered = sorted(code for code in codes_of_all if chr(code).isprintable() or code in _INVISIBLE)
    for _, run in groupby(enumerate(covered), key=lambda numbered: numbered[1] - numbered[0]):
        codes = [code for _, code in run]
        yield f"{codes[0]:X}-{codes[-1]:X}"


def _keep(font: TTFont, codes: Iterable[int] | None, path: Path, features: Iterable[str] = ("*",)) -> None:
    options = subset.Options(
        layout_features=list(features), hinting=False, notdef_outline=True, name_IDs=["*"], name_languages=[0x409],
        drop_tables=["BASE", "DSIG", "VORG", "vhea", "vmtx", "HVAR", "STAT"],
    )  # fmt: skip
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=set(font.getBestCmap()) if codes is None else codes)
    subsetter.subset(font)
    font["cmap"].tables = [_long_table(font.getBestCmap())]
    font.save(path)


def _long_table(glyphs: dict[int, str]) -> CmapSubtable:
    """Return the table of characters in its long form: in the short one typst finds no glyph from the 32,768th on."""
    table = CmapSubtable.newSubtable(12)
    table.platformID, table.platEncID, table.language, table.cmap = 3, 10, 0, glyphs
    return table


def _simplified_chinese_of(collection: TTCollection) -> TTFont:
    return next(font for font in collection.fonts if font["name"].getDebugName(1) == "Noto Sans CJK SC")


def _keep_forms(font: TTFont, languages: dict[str, frozenset[int]]) -> None:
    """Leave each language the forms of its own characters only, and no other language any: that halves the font."""
    gsub, glyphs = font["GSUB"].table, font.getBestCmap()
    kept: dict[int, set[str]] = {}
    for record in gsub.ScriptList.ScriptRecord:
        record.Script.LangSysRecord = [one for one in record.Script.LangSysRecord if one.LangSysTag in languages]
        for one in record.Script.LangSysRecord:
            wanted = {glyphs[code] for code in languages[one.LangSysTag] if code in glyphs}
            for at in one.LangSys.FeatureIndex:
                feature = gsub.FeatureList.FeatureRecord[at]
                if feature.FeatureTag == "locl":
                    for lookup in feature.Feature.LookupListIndex:
                        kept.setdefault(lookup, set()).update(wanted)
    for at, wanted in kept.items():
        for table in gsub.LookupList.Lookup[at].SubTable:
            single = getattr(table, "ExtSubTable", table)
            single.mapping = {plain: form for plain, form in single.mapping.items() if plain in wanted}


def _encoded_by(codec: str) -> Iterator[int]:
    return (code for code in range(0x80, 0x30000) if _can_encode(chr(code), codec))


def _can_encode(character: str, codec: str) -> bool:
    try:
        written = character.encode(codec)
    except UnicodeEncodeError:
        return False
    # Python writes a syllable that the Korean standard has not as its parts.
    return codec != "euc_kr" or len(written) == 2


def _east_asian(codes: Iterable[int]) -> frozenset[int]:
    return _EAST_ASIAN.intersection(codes)


def _is_everyday_big5(code: int) -> bool:
    return code in _ALL_CHINESE and 0xA4 <= chr(code).encode("big5")[0] <= 0xC6


if __name__ == "__main__":
    make_fonts(Path(sys.argv[1]))
