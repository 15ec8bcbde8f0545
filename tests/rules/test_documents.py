"""Every link between the repository's documents leads to what is there, and what they show is what there is."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from documented import block, blocks
from signing import sign_http

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])

FENCED_CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")
INLINE_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE_LINK = re.compile(r"^\s{0,3}\[[^\]]+\]:\s*<?([^\s>]+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
ELSEWHERE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_in_a_document_leads_somewhere(document):
    links = links_in(document.read_text(encoding="utf-8"))

    assert [link for link in links if not leads_somewhere(link, document)] == []


@pytest.mark.parametrize(
    "link, is_good",
    [
        ("other.md", True),
        ("other.md#two-words--more", True),
        ("#here", True),
        ("https://example.com/missing.md", True),
        ("missing.md", False),
        ("other.md#missing", False),
        ("#missing", False),
        ("../../../../etc/hostname", False),
    ],
)
def test_a_broken_link_is_told_from_a_good_one(tmp_path, link, is_good):
    (tmp_path / "other.md").write_text("# Two `words` & more\n", encoding="utf-8")
    document = tmp_path / "document.md"
    document.write_text(f"# Here\n\n[link]({link}), `[not](a-link.md)`\n\n```\n[nor](this.md)\n```\n", encoding="utf-8")

    assert links_in(document.read_text(encoding="utf-8")) == [link]
    assert leads_somewhere(link, document, root=tmp_path) is is_good


def test_the_readme_begins_with_the_two_commands():
    opening = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")[0]

    assert "make run " in opening
    assert "make test " in opening


def test_decisions_are_numbered_without_a_gap_and_listed():
    decisions = sorted((ROOT / "docs" / "decisions").iterdir())
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")

    assert [decision.name[:5] for decision in decisions] == [f"{number:04}-" for number in range(1, len(decisions) + 1)]
    assert [decision.name for decision in decisions if f"(decisions/{decision.name})" not in listed] == []


@pytest.mark.parametrize("heading", ["Context", "Decision", "Consequences", "Alternatives"])
def test_every_decision_tells_the_same_four_things(heading):
    decisions = (ROOT / "docs" / "decisions").iterdir()

    assert [each.name for each in decisions if f"\n## {heading}\n" not in each.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    "copy",
    [each for document in DOCUMENTS for each in blocks(document) if each.mark.startswith("from ")],
    ids=lambda copy: f"{copy.document}: {copy.mark}",
)
def test_code_in_a_document_is_that_of_the_example(copy):
    original = (ROOT / copy.mark.removeprefix("from ")).read_text(encoding="utf-8")

    assert copy.text in original


def test_the_worked_signature_is_right():
    guide = ROOT / "docs" / "howto" / "sign-a-request.md"
    lines = dict(line.split(": ", 1) for line in block(guide, "string to sign").splitlines())
    signature = block(guide, "signature").replace("\n", "")
    key_id = re.search(r'keyid="([^"]+)"', signature)[1]

    headers = sign_http(
        "POST",
        lines["request-target"].removeprefix("post "),
        lines["host"],
        lines["v-c-merchant-id"],
        key_id,
        block(guide, "secret"),
        block(guide, "body").encode(),
        lines["date"],
    )

    assert headers["Digest"] == lines["digest"]
    assert f"Signature: {headers['Signature']}" == signature


def links_in(text: str) -> list[str]:
    prose = INLINE_CODE.sub("", FENCED_CODE.sub("", text))
    return INLINE_LINK.findall(prose) + REFERENCE_LINK.findall(prose)


def leads_somewhere(link: str, document: Path, root: Path = ROOT) -> bool:
    """Tell whether a link has a target inside the repository; addresses elsewhere are believed, not visited."""
    if ELSEWHERE.match(link):
        return True
    path, _, anchor = unquote(link).partition("#")
    target = (document.parent / path).resolve() if path else document
    if not target.is_relative_to(root) or not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors_of(target.read_text(encoding="utf-8"))


def anchors_of(text: str) -> set[str]:
    """Name a document's headings the way code hosts do: lower case, punctuation dropped, blanks to hyphens."""
    anchors: set[str] = set()
    for heading in HEADING.findall(FENCED_CODE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        repeats = sum(1 for anchor in anchors if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", anchor))
        anchors.add(f"{slug}-{repeats}" if repeats else slug)
    return anchors
