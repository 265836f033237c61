"""Would this folder of templates be safe to send from? Every mistake, with its place.

Run by ``policy check``, ``doctor`` and ``template preview``, so that a mistake shows on the day it
is made and not on the day a client should have read the message.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jinja2 import meta, nodes
from jinja2.exceptions import TemplateSyntaxError

from billing import shipped
from comms.compliance import disclosure
from comms.compliance.disclosure import Packs, Profile
from comms.rendering import TemplateMistake, Templates
from comms.writing import segments

_ALWAYS = frozenset({"firm", "client", "contact", "locale", "opt_out_notice", "unsubscribe_link"})
_DUNNING = _ALWAYS | {"currency", "total", "invoices", "step", "tone", "pay_link"}


@dataclass(frozen=True, slots=True)
class Declared:
    """What a message may name, and the channels that it must have parts for."""

    fields: frozenset[str]
    channels: tuple[str, ...]


MESSAGES: Mapping[str, Declared] = {
    "coming_due": Declared(_DUNNING, ("email", "sms")),
    "first_reminder": Declared(_DUNNING, ("email", "sms")),
    "firmer_reminder": Declared(_DUNNING, ("email", "sms")),
    "crossed": Declared(_ALWAYS | {"payment", "currency"}, ("email", "sms")),
    "receipt": Declared(_ALWAYS | {"payment", "currency"}, ("email", "sms")),
    "renewal_notice": Declared(
        _ALWAYS | {"agreement", "days_before", "pay_link"}, ("email", "sms")
    ),
    "renewed": Declared(_ALWAYS | {"agreement", "days_before", "payment"}, ("email", "sms")),
    "charge_failed": Declared(
        _ALWAYS | {"agreement", "days_before", "payment", "currency", "pay_link"}, ("email", "sms")
    ),
    "offer": Declared(_ALWAYS | {"offer"}, ("email", "sms")),
    "next_engagement": Declared(_ALWAYS | {"offer"}, ("email", "sms")),
    "opt_out_confirmation": Declared(_ALWAYS, ("sms",)),
    "opt_in_confirmation": Declared(_ALWAYS, ("sms",)),
    "help_reply": Declared(_ALWAYS, ("sms",)),
    "who_we_are": Declared(_ALWAYS, ("sms",)),
    "safe_payment": Declared(_ALWAYS | {"pay_link"}, ("email", "sms")),
    "staff_text": Declared(_ALWAYS | {"body", "subject"}, ("email", "sms")),
}
_MEMBERS = {
    "firm": {"name", "postal_address", "from_name", "phone", "pay_link"},
    "client": {"name"},
    "contact": {"first_name", "name"},
    "payment": {"amount", "received_on", "currency", "invoices", "remaining", "reminded_on"},
    "agreement": {
        "name",
        "kind",
        "renews_on",
        "amount",
        "old_amount",
        "new_from",
        "currency",
        "end_by",
        "can_end",
    },
    "offer": {"name", "code", "percent", "amount", "currency", "valid_until"},
    "invoices": {"number", "issued_on", "due_on", "days_overdue", "open", "amount", "disputed"},
}

_REPLY_WORD = re.compile(
    r"\b(?:reply|replying|respond|answer|text|send|type|write)\b(?:\s+(?:back|us|with|by|the|word"
    r"|texting|typing)){0,3}\s+[\"'“(*]{0,2}(yes|cancel|end|quit)\b",
    re.IGNORECASE,
)
_SHOUTED = re.compile(r"\b(?:YES|CANCEL|QUIT|END)\b\s+(?:to|if|for|and we)\b")
_STOP_ASKED = re.compile(r"\b(?:reply|text|send|answer)\s+[\"'“]?stop\b(?! by)", re.IGNORECASE)
_STOP_SHOUTED = re.compile(r"\bSTOP\b")
_UNSAFE = re.compile(r"\|\s*safe\b|\bautoescape\s+false\b")
_MOST_SMS_PARTS = 3
_LINK = "https://example.com/unsubscribe/x"
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to change in a template."""

    file: str
    line: int
    sentence: str


def lint(folder: Path, packs: Packs = ()) -> list[Mistake]:
    """Every mistake in a folder of messages, for a firm that goes by these packs."""
    templates = Templates([folder])
    mistakes = [
        mistake
        for file in sorted(folder.rglob("*.j2"))
        for mistake in _file(templates, packs, file.relative_to(folder), file)
    ]
    if not mistakes:
        mistakes = [m for name in _messages(folder) for m in _message(templates, packs, name)]
    return mistakes


def sample(message: str) -> dict[str, object]:
    """Plain data for a preview: a firm and a client that do not exist."""
    first = {"number": "INV-3391", "issued_on": date(2026, 10, 6), "due_on": date(2026, 11, 5),
             "days_overdue": 15, "disputed": False, "open": 1_248_000,
             "amount": 1_248_000}  # fmt: skip
    whole: dict[str, object] = {
        "firm": {"name": "Example & Partners", "postal_address": "1 Example Row\nExampleton",
                 "from_name": "Billing", "phone": "+1 555 0100", "pay_link": ""},
        "unsubscribe_link": "",
        "client": {"name": "Northwind"},
        "contact": {"first_name": "Alex", "name": "Alex Example"},
        "currency": "USD", "total": 1_279_000, "step": 1, "tone": "friendly", "locale": "en_US",
        "days_before": 30,
        "invoices": [first, {**first, "number": "INV-3402", "open": 31_000, "amount": 31_000}],
        "pay_link": "https://pay.example/i/7Kd92xQ", "opt_out_notice": "Reply STOP to opt out.",
        "payment": {"amount": 31_000, "received_on": date(2026, 11, 20), "currency": "USD",
                    "invoices": ["INV-3402"], "remaining": 0,
                    "reminded_on": date(2026, 11, 19)},
        "agreement": {"name": "Managed services", "kind": "subscription", "currency": "USD",
                      "renews_on": date(2026, 12, 31), "amount": 450_000, "old_amount": 420_000,
                      "new_from": date(2026, 12, 31), "end_by": date(2026, 12, 1), "can_end": True},
        "offer": {"name": "next year", "code": "BACK10", "percent": "10", "amount": None,
                  "currency": "", "valid_until": date(2026, 12, 20)},
        "subject": "Your account", "body": "Thank you for your call today.",
    }  # fmt: skip
    return {name: whole[name] for name in MESSAGES[_alike(message)].fields}


def _alike(message: str) -> str:
    """The message whose fields it has: the firm may name offers of its own, as offer_spring."""
    return "offer" if message.startswith("offer_") else message


def _messages(folder: Path) -> Iterator[str]:
    """The messages that this folder holds, and in the shipped folder all that there must be."""
    whole = folder.resolve() == shipped.path("templates").resolve()
    present = {path.name for path in folder.iterdir() if path.is_dir()}
    own = sorted(name for name in present if _alike(name) != name)
    return (name for name in (*MESSAGES, *own) if whole or name in present)


def _message(templates: Templates, packs: Packs, name: str) -> Iterator[Mistake]:
    """Render the message as a client would get it."""
    for channel in MESSAGES[_alike(name)].channels:
        selling = templates.sells(name, channel)
        link = _LINK if selling and channel == "email" else ""
        notice = disclosure.notice(channel, packs)
        context = sample(name) | {"opt_out_notice": notice, "unsubscribe_link": link}
        try:
            rendered = templates.render(name, channel, context)
        except TemplateMistake as mistake:
            yield Mistake(mistake.file, mistake.line, mistake.sentence)
            continue
        cost = segments.count(rendered.text).parts
        if channel == "sms" and cost > _MOST_SMS_PARTS:
            sentence = f"the text costs {cost} parts; shorten it to {_MOST_SMS_PARTS}"
            yield Mistake(f"{name}/sms.txt.j2", 1, sentence)
        file = f"{name}/{channel}.txt.j2"
        by = disclosure.profile(channel, packs)
        for text in (rendered.subject, rendered.text):
            yield from (_breach(file, text, one) for one in disclosure.breaches(text, by))
        if link:
            whole = ((file, rendered.text), (f"{name}/email.html.j2", rendered.html))
            yield from (one for part, text in whole for one in _footer(part, text, selling))


def _breach(file: str, text: str, found: disclosure.Breach) -> Mistake:
    words = " ".join(text[found.start : found.end].split())
    return Mistake(file, 1, f'"{words[:_SHOWN]}": {found.reason}')


def _footer(file: str, text: str, selling: str) -> Iterator[Mistake]:
    """Who sells says where they are, and how to hear no more of it (15 USC 7704)."""
    missing = [
        name
        for name, words in (("firm.postal_address", "1 Example Row"), ("unsubscribe_link", _LINK))
        if words not in text
    ]
    if missing:
        needed = " and ".join("{{ " + name + " }}" for name in missing)
        sentence = f"it sells ({selling}), so it is commercial mail; its footer needs {needed}"
        yield Mistake(file, 1, sentence)


def _file(templates: Templates, packs: Packs, relative: Path, file: Path) -> Iterator[Mistake]:
    name = relative.as_posix()
    source = file.read_text(encoding="utf-8")
    for number, line in enumerate(source.splitlines(), 1):
        yield from (Mistake(name, number, sentence) for sentence in _line(line))
    try:
        tree = templates.environment.parse(source, name)
    except TemplateSyntaxError as error:
        yield Mistake(name, error.lineno, error.message or "this is no valid template")
        return
    message = relative.parts[0]
    if message == "portal":
        return
    channel = relative.name.partition(".")[0]
    by = disclosure.profile("email" if channel == "subject" else channel, packs)
    if message == "_layout":
        yield from _members_of(tree, name, disclosure.profile("email", packs))
        return
    if _alike(message) not in MESSAGES:
        yield Mistake(name, 1, f"there is no message {message}; one of {', '.join(MESSAGES)}")
        return
    if relative.name != "slack.txt.j2":
        yield from _names(tree, name, message)
        yield from _members_of(tree, name, by)


def _line(line: str) -> Iterator[str]:
    word = _REPLY_WORD.search(line)
    if word or _SHOUTED.search(line):
        yield "never ask for YES, CANCEL, END or QUIT: carriers act on them; use another word"
    if _STOP_SHOUTED.search(line) or _STOP_ASKED.search(line):
        yield "leave STOP out: we add the opt-out notice ourselves"
    if host := disclosure.shortened(line):
        yield f"carriers filter public link shorteners ({host}); write the firm's own link"
    if _UNSAFE.search(line):
        yield "do not switch escaping off: a client's name could become markup"


def _names(tree: nodes.Template, file: str, message: str) -> Iterator[Mistake]:
    fields = MESSAGES[_alike(message)].fields
    for name in sorted(meta.find_undeclared_variables(tree) - fields - _imported(tree)):
        known = ", ".join(sorted(fields))
        yield Mistake(file, _line_of(tree, name), f"{name} is not known here; use {known}")


def _members_of(tree: nodes.Template, file: str, by: Profile) -> Iterator[Mistake]:
    for field, line, asked in _members(tree):
        owner, _, member = field.partition(".")
        if member not in _MEMBERS[owner]:
            known = ", ".join(sorted(_MEMBERS[owner]))
            yield Mistake(file, line, f"{owner} has no {member}; it has {known}")
        elif not asked and (row := by.forbids(field)) is not None:
            way = "SMS" if by.channel == "sms" else by.channel
            yield Mistake(file, line, f"{field} is not for {way}: {row.cited}")


def _imported(tree: nodes.Template) -> set[str]:
    """Macros taken from a layout; Jinja2 counts them as unknown inside a block."""
    names = (name for line in tree.find_all(nodes.FromImport) for name in line.names)
    return {name if isinstance(name, str) else name[1] for name in names}


def _line_of(tree: nodes.Template, name: str) -> int:
    return next((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), 1)


def _members(tree: nodes.Template) -> Iterator[tuple[str, int, bool]]:
    """Each ``owner.member`` that is read, where, and whether it was asked first if it is there.

    Loop variables are traced to their list. What a channel withholds is empty, so a template may
    ask for it: ``{% if invoice.number %}invoice {{ invoice.number }}{% endif %}``.
    """
    owners = {name: name for name in _MEMBERS if name != "invoices"}
    for loop in tree.find_all(nodes.For):
        if isinstance(loop.target, nodes.Name) and isinstance(loop.iter, nodes.Name):
            owners |= {loop.target.name: loop.iter.name} if loop.iter.name in _MEMBERS else {}
    yield from _reads(tree, owners, frozenset())


def _reads(
    node: nodes.Node, owners: Mapping[str, str], asked: frozenset[str]
) -> Iterator[tuple[str, int, bool]]:
    if isinstance(node, nodes.Getattr) and (field := _field(node, owners)):
        yield field, node.lineno, field in asked
    if not isinstance(node, nodes.If | nodes.CondExpr):
        for child in node.iter_child_nodes():
            yield from _reads(child, owners, asked)
        return
    there = {field for read in _getattrs(node.test) if (field := _field(read, owners))}
    within = asked | there
    first = node.body if isinstance(node, nodes.If) else [node.expr1]
    for child in node.iter_child_nodes():
        mine = within if child is node.test or any(child is one for one in first) else asked
        yield from _reads(child, owners, mine)


def _getattrs(node: nodes.Node) -> Iterator[nodes.Getattr]:
    if isinstance(node, nodes.Getattr):
        yield node
    yield from node.find_all(nodes.Getattr)


def _field(read: nodes.Getattr, owners: Mapping[str, str]) -> str:
    of = read.node
    if isinstance(of, nodes.Getitem) and isinstance(of.node, nodes.Name):
        return f"invoices.{read.attr}" if of.node.name == "invoices" else ""
    if isinstance(of, nodes.Name) and of.name in owners:
        return f"{owners[of.name]}.{read.attr}"
    return ""
