"""Charts of the results page: horizontal bars as SVG, readable without colour and on light and dark ground alike."""

from collections.abc import Sequence
from html import escape

import msgspec

_WIDTH, _LABELS, _RIGHT = 760, 190, 70
_BAR, _GAP, _GROUP_GAP, _TOP = 15, 3, 12, 54
_WORDS = 36
_COLOURS = ("#2f6fb2", "#c2672b", "#5a8f3c", "#7d5aa6")


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar: whose it is, how long, what is written at its end, and where its target stands."""

    series: str
    value: float
    text: str
    target: float | None = None


def bar_chart(title: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """
    Answer an SVG with the bars of each group below its label; a stroke across a bar is its target.

    The longest bar or target fills the width.
    """
    series = list(dict.fromkeys(bar.series for _, bars in groups for bar in bars))
    longest = max((max(bar.value, bar.target or 0) for _, bars in groups for bar in bars), default=1) or 1
    scale = (_WIDTH - _LABELS - _RIGHT) / longest
    parts, y = [], _TOP
    for label, bars in groups:
        middle = y + (len(bars) * (_BAR + _GAP) - _GAP) / 2 + 4
        parts.append(f'<text x="{_LABELS - 10}" y="{middle:.1f}" text-anchor="end">{escape(label)}</text>')
        for bar in bars:
            length, colour = bar.value * scale, _COLOURS[series.index(bar.series) % len(_COLOURS)]
            # The words stand behind the bar, and behind the target where that would cross them.
            aim = (bar.target or 0) * scale
            words = max(length, aim) if length - 4 < aim < length + _WORDS else length
            parts.append(
                f'<rect x="{_LABELS}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2" fill="{colour}"/>'
                f'<text x="{_LABELS + words + 6:.1f}" y="{y + _BAR - 3}" class="value">{escape(bar.text)}</text>'
            )
            if bar.target is not None:
                x = _LABELS + aim
                parts.append(f'<path d="M{x:.1f} {y - 2}V{y + _BAR + 2}" class="target"/>')
            y += _BAR + _GAP
        y += _GROUP_GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}"'
            f' role="img" aria-label="{escape(title)}">',
            "<style>text{font:12px system-ui,sans-serif;fill:#57606a}.title{font-size:14px;font-weight:600}"
            ".value{font-size:11px}.target{stroke:#57606a;stroke-width:2}</style>",
            f'<text x="0" y="16" class="title">{escape(title)}</text>',
            *_legend(series, has_targets=any(bar.target is not None for _, bars in groups for bar in bars)),
            *parts,
            "</svg>\n",
        ]
    )


def _legend(series: Sequence[str], *, has_targets: bool) -> list[str]:
    parts, x = [], _LABELS
    for place, name in enumerate(series):
        parts.append(
            f'<rect x="{x}" y="28" width="11" height="11" rx="2" fill="{_COLOURS[place % len(_COLOURS)]}"/>'
            f'<text x="{x + 16}" y="38">{escape(name)}</text>'
        )
        x += 34 + 7 * len(name)
    if has_targets:
        parts.append(f'<path d="M{x + 5} 26V42" class="target"/><text x="{x + 14}" y="38">wanted</text>')
    return parts
