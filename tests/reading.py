"""A page as somebody reads it: its words, its elements and their attributes."""

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "path", "circle", "rect", "ellipse", "img", "input"}


class Page(HTMLParser):
    """What a browser makes of the page. Raises AssertionError when elements are not closed as they were opened."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(markup)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1:] == [tag], f"</{tag}> closes what is not open"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def words(self) -> str:
        """All text, with blanks and line breaks made one blank each."""
        return re.sub(r"\s+", " ", " ".join(self.texts)).replace("\u00a0", " ")

    def attributes(self, tag: str, name: str) -> list[str | None]:
        return [attributes.get(name) for each, attributes in self.elements if each == tag]
