# ruff: noqa: RUF001  (the letters of other alphabets are meant)
"""Which words of a mail are the writer's own and new?

Our own scanner goes first: it reads line by line, in linear time, and is careful with clients who
type "From: 12 Old St" or a list of dashes. What it leaves is shown to quotequail, whose cut counts
only where the part cut off really begins like a quotation. Two better known parsers are not asked:
6 kB of "On On On" keeps email-reply-parser 0.5.12 busy for 29 seconds, 6 kB of empty lines
mail-parser-reply 1.36 for 5.
"""

import re
from collections.abc import Sequence

import quotequail

_LONGEST = 200_000
_LONGEST_FOR_QUOTEQUAIL = 6_000

_WROTE = re.compile(
    r"(?:wrote|writes|schrieb|schreef|geschreven|a écrit|a ecrit|escribió|escribio|ha scritto"
    r"|escreveu|skrev|napisał\(a\)|napisał|napsal\(a\)|napsal|kirjoitti|yazdı|написал\(а\)|написал"
    r"|пишет|写道|寫道|のメール|님이 작성|作成|viết|menulis|schrieb am.{0,60})\s{0,3}[:：]?\s*$",
    re.IGNORECASE,
)
_SCHRIEB = re.compile(r"^am .{4,120}\bschrieb\b.{0,120}:$", re.IGNORECASE)
_WHEN = re.compile(r"\d{1,4}.{0,80}(?:@|\d{1,2}[:.]\d{2})|@|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")
_INTRO_WORD = re.compile(
    r"^(?:on|am|le|el|il|em|op|den|dnia|dne|tarihinde|at|vào|pada|w dniu|il giorno|a\(z\)|ke|"
    r"om|\d{1,4})\b",
    re.IGNORECASE,
)
_ISO_INTRO = re.compile(
    r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b.{0,160}<[^<>\s]{3,160}@[^<>\s]{3,160}>:?$"
)
_RULE = re.compile(
    r"^[-_*=\s]{0,60}(?:original(?:e|nachricht| message| appointment)?|ursprüngliche nachricht"
    r"|message d'origine|message original|mensaje original|mensagem original|messaggio originale"
    r"|oorspronkelijk bericht|forwarded message|weitergeleitete nachricht|reply message"
    r"|begin forwarded message|原始邮件|原始郵件)[-_*=:\s]{0,60}$",
    re.IGNORECASE,
)
_MARKER = re.compile(
    r"(?:reply|answer|response|antwort|antworten|répondre|réponse|responda|responder|respuesta)"
    r".{0,40}\b(?:above|over|oberhalb|au-dessus|arriba|encima|acima)\b.{0,20}\bl(?:ine|inie"
    r"|igne|inea|"
    r"ínea|inha)\b|^#{2,3}-.{3,120}-#{2,3}$",
    re.IGNORECASE,
)
_FROM = re.compile(
    r"^\*?(?:from|von|de|da|van|od|från|fra|lähettäjä|kimden|от|发件人|發件人|差出人)\s?\*?\s?[:：]\*?\s*\S",
    re.IGNORECASE,
)
_SENT = re.compile(
    r"^\*?(?:sent|date|gesendet|datum|envoyé|enviado|enviada em|enviado em|fecha|data|inviato"
    r"|verzonden|wysłano|skickat|sendt|odesláno|отправлено|дата"
    r"|发送时间|發送日期|日期|送信日時)(?: am| le| el)?\s?\*?\s?"
    r"[:：]\*?.{0,60}\d",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"^(?:--|—|__|\*\*)\s?$")
_DEVICE = re.compile(
    r"^(?:sent (?:from|via|with) (?:my |the |outlook|yahoo|proton|mail|samsung|gmail|a mobile)"
    r"|get outlook for|von meinem .{1,40} gesendet|gesendet (?:von|mit) |envoyé (?:de|depuis) mon"
    r"|enviado (?:desde|do|a partir do) (?:mi|meu)|inviato da(?:l mio)? |verzonden vanaf "
    r"|skickat från min|download .{1,30} for (?:ios|android)|发自我的|從我的)",
    re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r"^\W{0,5}(?:confidentiality notice|confidential(?:ity)?\s*[:–—-]|disclaimer\b"
    r"|privileged (?:and|&)"
    r" confidential\b.{0,20}$|this (?:e-?mail|message|communication|transmission)(?: message)?"
    r"(?: and any| \(including| may| is intended| contains| is confidential|,? including)"
    r"|the (?:information|contents?) (?:contained )?(?:in|of) this (?:e-?mail|message|transmission)"
    r"|diese e-?mail (?:enthält|ist|kann)|ce (?:message|courriel) (?:et|est|peut)"
    r"|este (?:correo|mensaje)"
    r" (?:es|contiene|puede|y)|please consider the environment)",
    re.IGNORECASE,
)
_GAP = re.compile(r"\n{3,}")
_CARD_LINE = re.compile(r"^[^?!$€£:;]{1,70}(?<![.,])$")
_NAME = re.compile(r"^[^\W\d_a-z][^\W\d_]*(?:[ .'-]{1,2}[^\W\d_a-z][^\W\d_]*){0,2}\.?$")


def visible_text(body: str) -> str:
    """The client's own new words: no quotation, signature block or disclaimer.

    Text typed below or between the quoted lines is kept; when nothing at all would be left, the
    whole body is returned, for silence is the one answer that is surely wrong.
    """
    text = body[:_LONGEST].replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ")
    own = _own_words([line[:2_000].rstrip() for line in text.split("\n")])
    _drop_card(own)
    said = _second_opinion(_GAP.sub("\n\n", "\n".join(own)).strip())
    return said or _unquoted(text) or text.strip()


def _own_words(lines: Sequence[str]) -> list[str]:
    kept: list[str] = []
    at = 0
    while at < len(lines):
        length = _introduction(lines, at)
        if length and not _quotes_follow(lines, at + length):
            break
        if length:
            at += length
            continue
        if _is_quoted(lines[at]):
            at += 1
            continue
        if _SIGNATURE.match(lines[at]) or _DEVICE.match(lines[at].strip()):
            at = _after_signature(lines, at)
            continue
        if _DISCLAIMER.match(lines[at].strip()):
            _drop_name(kept)
            at = _after_signature(lines, at)
            continue
        kept.append(lines[at])
        at += 1
    return kept


def _introduction(lines: Sequence[str], at: int) -> int:
    """How many lines from here introduce a quotation; 0 where none does."""
    line = lines[at].strip()
    if not line or line.startswith(">"):
        return 0
    if _RULE.match(line) and (line[0] in "-_*=" or line.endswith(":")):
        return 1
    if _MARKER.search(line[:200]) or _ISO_INTRO.match(line):
        return 1
    if _header_block(lines, at):
        return 1
    if re.fullmatch(r"[_-]{5,}", line) and _header_block(lines, _next_full(lines, at + 1)):
        return 1
    return _attribution(lines, at)


def _attribution(lines: Sequence[str], at: int) -> int:
    """A line like "On Friday, Acme wrote:", or one wrapped over up to three."""
    for length in (1, 2, 3):
        if at + length > len(lines):
            return 0
        chunk = [line.strip() for line in lines[at : at + length]]
        if not all(chunk) or any(line.startswith(">") for line in chunk):
            return 0
        joined = " ".join(chunk)[-600:]
        if not (_WROTE.search(joined[-160:]) or _SCHRIEB.match(joined)):
            continue
        if _WHEN.search(joined) and (_INTRO_WORD.match(joined) or "@" in joined):
            return length
    return 0


def _header_block(lines: Sequence[str], at: int) -> bool:
    """A From: line of a quoted mail: its neighbours say when it was sent."""
    if at >= len(lines) or not _FROM.match(lines[at].strip()):
        return False
    near = [line.strip() for line in lines[at + 1 : at + 5]]
    return any(_SENT.match(line) for line in near)


def _quotes_follow(lines: Sequence[str], at: int) -> bool:
    full = _next_full(lines, at)
    return full < len(lines) and lines[full].lstrip().startswith(">")


def _next_full(lines: Sequence[str], at: int) -> int:
    for index in range(at, min(at + 5, len(lines))):
        if lines[index].strip():
            return index
    return len(lines)


def _is_quoted(line: str) -> bool:
    return line.lstrip().startswith(">")


def _after_signature(lines: Sequence[str], at: int) -> int:
    """Where a signature ends: at the next quotation, for people also write below it."""
    for index in range(at + 1, len(lines)):
        if _is_quoted(lines[index]) or _introduction(lines, index):
            return index
    return len(lines)


def _drop_name(kept: list[str]) -> None:
    """Take off the name that stands alone above a disclaimer, if words are left without it."""
    while kept and not kept[-1].strip():
        kept.pop()
    alone = len(kept) > 2 and not kept[-2].strip()
    if alone and len(kept[-1]) <= 60 and _NAME.match(kept[-1]) and not kept[-1].isupper():
        kept.pop()


def _drop_card(kept: list[str]) -> None:
    """Take off a last paragraph that is a visiting card: a name, then lines with bars."""
    while kept and not kept[-1].strip():
        kept.pop()
    start = len(kept)
    while start and kept[start - 1].strip():
        start -= 1
    card = [line.strip() for line in kept[start:]]
    if not (start and 2 <= len(card) <= 6 and " " in card[0] and _NAME.match(card[0])):
        return
    if any("|" in line for line in card[1:]) and all(_CARD_LINE.match(line) for line in card):
        del kept[start:]


def _second_opinion(text: str) -> str:
    """What quotequail would cut, if the part cut off really begins like a quotation."""
    if not text or len(text) > _LONGEST_FOR_QUOTEQUAIL:
        return text
    parts = quotequail.quote(text, limit=100_000, quote_intro_line=True)
    said = "\n".join(part for expanded, part in parts if expanded).strip()
    first = text[len(said) :].strip().split("\n", 1)[0] if said else ""
    if first and (_WROTE.search(first[-160:]) or _ISO_INTRO.match(first[:400])):
        return said
    return text


def _unquoted(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not _is_quoted(line)).strip()
