"""Templates and static files: compiled and read once, and never asked for anything but their names."""

import html
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from jinja2.ext import Extension

STATIC_PATH: Final = "/static/"

_ROOM: Final = Path(__file__).parent
_MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".woff2": "font/woff2",
        ".txt": "text/plain; charset=utf-8",
    }
)


class StaticFile(msgspec.Struct, frozen=True):
    media_type: str
    content: bytes


class StaticFiles:
    """
    The files that pages link to, all in memory: a path that was not read at the start leads nowhere.

    `root` holds a digest of them all, so that a browser may keep what it has for ever and an upgrade is seen at once.
    """

    def __init__(self) -> None:
        folder = _ROOM / "static"
        self._files: dict[str, StaticFile] = {}
        digest = sha256()
        for path in sorted(each for each in folder.rglob("*") if each.suffix in _MEDIA_TYPES):
            name, content = path.relative_to(folder).as_posix(), path.read_bytes()
            self._files[name] = StaticFile(_MEDIA_TYPES[path.suffix], content)
            digest.update(b"%d %s %d " % (len(name), name.encode(), len(content)) + content)
        self.version: Final = digest.hexdigest()[:12]
        self.root: Final = STATIC_PATH + self.version

    def find(self, name: str) -> StaticFile | None:
        return self._files.get(name)


class Parts(Extension):
    """
    Lets `{% part "name.html" %}` on a line of its own stand for that file's text, before anything is compiled.

    Template inheritance and includes do the same while a page is rendered, and cost as much as all the rest of it.
    """

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return _PART.sub(lambda part: self.preprocess(_template(part[1]), part[1]), source)


_PART: Final = re.compile(r'^{% part "([a-z]+\.html)" %}\n', re.MULTILINE)


def _template(name: str) -> str:
    return (_ROOM / "templates" / name).read_text(encoding="utf-8")


class Templates:
    """Renders templates; whatever stands in a value comes out as text, never as markup."""

    def __init__(self, static: StaticFiles) -> None:
        self._usual = _Compiled(_environment(static, autoescape=True))
        # Every value passes `as_text`, which knows no markup: nothing can be called safe here, nor come from a macro.
        self._strict = _Compiled(_environment(static, autoescape=False, finalize=as_text))

    def render(self, name: str, values: Mapping[str, object]) -> bytes:
        """Return the page as UTF-8."""
        return self._usual.render(name, values)

    def render_strictly(self, name: str, values: Mapping[str, object]) -> bytes:
        """Return the page as UTF-8, in two thirds of the time: for templates without macros."""
        return self._strict.render(name, values)

    def message(self, heading: str, text: str, *, strip: str = "") -> bytes:
        """Return a page that belongs to no merchant: one heading, one sentence."""
        words = {"heading": heading, "text": text, "strip": strip, "tone": "wait", "glyph": "alert"}
        return self.render_strictly("message.html", words | {"title": heading, "merchant": "Paydue", "number": ""})


def as_text(value: object) -> str:
    """Return a value as HTML text or as what stands between the quotes of an attribute."""
    text = value if type(value) is str else str(value)
    # Most values have nothing to escape, and looking costs less than escaping.
    return html.escape(text) if _SPECIAL(text) else text


_SPECIAL: Final = re.compile(r"[&<>\"']").search


def _environment(static: StaticFiles, **choices: Any) -> Environment:
    environment = Environment(  # noqa: S701 - both ways of escaping are above
        loader=FileSystemLoader(_ROOM / "templates"),
        extensions=[Parts],
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        **choices,
    )
    environment.globals["static"] = static.root
    return environment


class _Compiled:
    """An environment's templates, compiled when first asked for."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._templates: dict[str, Template] = {}

    def render(self, name: str, values: Mapping[str, object]) -> bytes:
        template = self._templates.get(name) or self._compile(name)
        # A lone surrogate, which only a bug lets in, is shown as a question mark.
        return template.render(values).encode("utf-8", "replace")

    def _compile(self, name: str) -> Template:
        template = self._environment.get_template(name)
        # A chain of mappings otherwise, which is walked and copied for each page: a fifth of its time.
        template.globals = dict(template.globals)
        self._templates[name] = template
        return template
