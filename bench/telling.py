"""How a run tells whoever watches how far it has come: a line for each step, apart from the figures it ends with."""

from collections.abc import Iterable, Iterator

from rich.console import Console

from bench.comparison import Comparison, Effort

# The tables need more than the 80 columns that a pipe or a log is taken for.
console = Console(width=max(Console().width, 180))


def say(line: str) -> None:
    """Print a line as it is."""
    console.print(line, highlight=False, soft_wrap=True)


def tell_comparison(comparisons: Iterable[Comparison], effort: Effort) -> Iterator[Comparison]:
    """Print each comparison as it comes, and hand it on."""
    places = len(effort.places())
    seen: list[tuple[str, int, int]] = []
    for each in comparisons:
        place = (each.lane, each.connections, each.round)
        if place not in seen[-1:]:
            seen.append(place)
            say(
                f"[{len(seen):>3}/{places}] round {each.round}  {each.lane}, {each.connections} connections:"
                f" floor {each.floor.per_second:,.0f}/s"
            )
        say(
            f"{'':>12}{each.subject:<26}{each.product.per_second:>9,.0f}/s  share {each.share:.3f}"
            f"  by cpu {each.share_by_cpu:.3f}  p99 {each.product.latency.p99_ms:.2f} ms"
        )
        yield each
