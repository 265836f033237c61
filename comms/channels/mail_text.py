"""What does a text part say once its wrapping is taken off: HTML, or format=flowed?"""

import html
import re

import nh3

LONGEST_HTML = 500_000
_DEEPEST = 2_000
_TAGS = {
    "a", "b", "blockquote", "br", "center", "dd", "div", "dl", "dt", "em", "font", "h1", "h2",
    "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre", "span", "strong", "table", "tbody",
    "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
_GONE = {"script", "style", "title", "head", "template", "noscript"}
_PIECE = re.compile(r"<(/?)([a-z0-9]{1,12})[^>]{0,2000}>|([^<]+)|<")
_BREAKS = frozenset({"br", "div", "hr", "li", "p", "pre", "table", "tr", "dl", "dt", "dd", "center",
                     "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote"})  # fmt: skip
_PARAGRAPHS = frozenset({"p", "table", "ul", "ol", "h1", "h2", "h3", "blockquote"})
_GAP = re.compile(r"\n{3,}")
_OPENING = re.compile(r"<[a-zA-Z]")
# Between the digits of a card it would hide the number from us, and from no reader.
_UNSHOWN = re.compile(
    r"<([a-z]{1,10}) [^<>]{0,400}?(?:display\s?:\s?none|visibility\s?:\s?hidden|mso-hide\s?:\s?all"
    r"|font-size\s?:\s?0(?![.\d]))[^<>]{0,400}>[^<>]{0,2000}</\1\s?>",
    re.IGNORECASE,
)


def from_html(markup: str) -> str:
    """The words that a reader sees; a block quotation becomes lines that begin with ``>``."""
    short = markup[:LONGEST_HTML]
    if len(_OPENING.findall(short)) > 50_000 or _looks_bottomless(short):
        return html.unescape(re.sub(r"<[^<>]{0,2000}>", " ", short)).strip()
    shown = _UNSHOWN.sub("", short)
    clean = nh3.clean(shown, tags=_TAGS, clean_content_tags=_GONE, attributes={}, link_rel=None)
    return _GAP.sub("\n\n", _lines(clean)).strip()


def _looks_bottomless(markup: str) -> bool:
    """More nesting than any mail program writes, which parsers pay for dearly."""
    lowered = markup.lower()
    return any(
        lowered.count(f"<{tag}") - lowered.count(f"</{tag}") > _DEEPEST for tag in sorted(_TAGS)
    )


def _lines(clean: str) -> str:
    depth, out, line = 0, [], ""

    def end_line(blank: str = "") -> None:
        nonlocal line
        said = " ".join(line.split())
        if said or blank:
            out.append(("> " * depth + said).rstrip() if said else "")
        line = ""

    for closing, tag, words in _PIECE.findall(clean):
        if words:
            line += html.unescape(words).replace("\u00a0", " ")
        elif tag in {"td", "th"}:
            line += " "
        elif tag in _BREAKS:
            end_line("y" if tag in _PARAGRAPHS or (tag == "br" and not line.strip()) else "")
            if tag == "blockquote":
                depth = max(0, min(9, depth + (-1 if closing else 1)))
    end_line()
    return "\n".join(out)


def unflowed(text: str, *, delete_space: bool = False) -> str:
    """Join the soft line breaks of RFC 3676; quoted lines and signatures stay apart."""
    out: list[str] = []
    soft = ""
    for stuffed in text.split("\n"):
        line = stuffed.removeprefix(" ")
        if line.startswith(">") or line == "-- ":
            out, soft = ([*out, soft] if soft else out), ""
            out.append(line)
        elif line.endswith(" "):
            soft += line[:-1] if delete_space else line
        else:
            out.append(soft + line)
            soft = ""
    return "\n".join([*out, soft] if soft else out)
