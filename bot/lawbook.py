"""Which rules hold for a firm like ours, who says so, what sees to each, and has counsel signed?

``python -m bot.lawbook`` writes the tables of docs/door.md and docs/policy.md; a test compares.
"""

import datetime as dt
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from billing import obligations, rules
from billing.obligations import Answer, Keep
from billing.policy import Policy
from billing.rules import Rule
from bot.report import Report, Table, Wrong
from comms.compliance import disclosure
from comms.compliance.disclosure import Source

BEGIN, END = "<!-- rules: begin -->", "<!-- rules: end -->"
ALARM = dt.timedelta(days=90)
"""So long before a rule begins to hold, whoever relies on its waiver is told."""
_DUTY = "not enforced here: a person's duty"
_PROFILE = ("comms.compliance.disclosure:reduced", "comms.compliance.disclosure:breaches")
_KEPT = {Answer: ("billing.obligations:due",), Keep: ("bot.custody.erasure:refusal",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A rule as it is shown, whatever file it is from."""

    rule: str
    number: str
    pack: str
    where: str
    says: str
    sets: dict[str, Any]
    enforced: tuple[str, ...]
    duty: str
    applies_from: str | None
    source: str
    as_of: str
    verified: bool


def explained(policy: Policy, pack: str, today: dt.date) -> Report:
    """The rules of a pack, or of all that the policy names.

    Raises:
        Wrong: there is no such pack.
    """
    known = (*rules.PACKS, *rules.ADD_ONS)
    if pack and pack not in known:
        raise Wrong(f"There is no pack {pack}; write one of {', '.join(known)}.")
    asked = (pack,) if pack else policy.packs()
    held = list({one.rule: one for name in asked for one in of_pack(name)}.values())
    signed = sum(one.verified for one in held)
    duties = sum(not one.enforced for one in held)
    lines = [f"{name}: {rules.said_of(name)}." for name in asked]
    lines += [
        f"{len(held)} rules, {signed} of them confirmed by counsel; {duties} are a person's duty."
    ]
    lines += _entities(policy) if not pack else []
    lines += [sentence for sentence in [flip(policy, today)] if sentence]
    columns = ["rule", "where", "says", "enforced", "source"]
    data = {
        "pack": pack or policy.pack,
        "packs": asked,
        "entities": {one.entity: one.packs for one in policy.entity_packs},
        "version": rules.version(),
        "rules": [asdict(one) for one in held],
        "signed": signed,
    }
    return Report(data, lines, [Table("", columns, [_row(one) for one in held])])


def _entities(policy: Policy) -> list[str]:
    return [f"{one.entity} goes by {', '.join(one.packs)}." for one in policy.entity_packs]


def _row(one: Shown) -> list[str]:
    signed = ", confirmed by counsel" if one.verified else ""
    source = f"{one.source}, as of {one.as_of}{signed}"
    return [one.rule, one.where, one.says, seen_to(one), source]


def seen_to(one: Shown) -> str:
    """What sees to a rule: a place of the code, with what the pack sets for it, or a person."""
    if one.duty:
        return f"{_DUTY}. {one.duty}"
    sets = "; ".join(f"{key} = {_plain(value)}" for key, value in one.sets.items())
    return ", ".join(one.enforced) + (f" ({sets})" if sets else "")


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value).lower()


def _yes(verified: bool) -> str:  # noqa: FBT001 - the word for it
    return "yes" if verified else "no"


# --- from which files -----------------------------------------------------------------------------


def of_pack(pack: str) -> Iterator[Shown]:
    """Every rule that the pack brings: what holds for everybody comes with each base pack."""
    yield from (_law(rule, pack) for rule in rules.of_pack(pack))
    yield from (_obligation(one, pack) for one in obligations.every() if _binds(one, pack))
    yield from _disclosed(pack)


def _law(rule: Rule, pack: str) -> Shown:
    return Shown(
        rule=rule.id,
        number=rule.number,
        pack=pack,
        where=rule.jurisdiction,
        says=rule.says,
        sets=dict(rule.sets),
        enforced=rule.enforced,
        duty=rule.duty,
        applies_from=rule.applies_from.isoformat() if rule.applies_from else None,
        source=rule.source,
        as_of=rule.as_of.isoformat(),
        verified=rule.verified,
    )


def _binds(one: Answer | Keep, pack: str) -> bool:
    if isinstance(one, Keep):
        return pack in one.packs
    return pack in rules.PACKS or (pack == "eu" and one.jurisdiction == "EU")


def _obligation(one: Answer | Keep, pack: str) -> Shown:
    return Shown(
        rule=one.id,
        number=one.number,
        pack=pack,
        where=one.jurisdiction,
        says=one.says,
        sets={},
        enforced=_KEPT[type(one)],
        duty="",
        applies_from=None,
        source=one.source,
        as_of=one.as_of.isoformat(),
        verified=one.verified,
    )


def _disclosed(pack: str) -> Iterator[Shown]:
    """What may be said by which channel; an add-on shows what it adds."""
    everybody = disclosure.profiles(())
    own = [one for one in disclosure.profiles((pack,)) if one not in everybody]
    rows: list[tuple[Source, tuple[str, ...]]]
    rows = [(one, _PROFILE) for one in (*(everybody if pack in rules.PACKS else ()), *own)]
    needed = disclosure.proof((pack,))[1]
    if pack in rules.PACKS or needed != disclosure.proof(())[1]:
        rows.append((needed, ("comms.compliance.disclosure:proof",)))
    if pack in rules.PACKS:
        rows.append((disclosure.complaints().row, ("comms.compliance.disclosure:complaints",)))
    for one, enforced in rows:
        yield Shown(
            rule=one.id,
            number="C-19" if one.id == "complaints" else "C-16",
            pack=pack,
            where="everywhere",
            says=one.says,
            sets={},
            enforced=enforced,
            duty="",
            applies_from=None,
            source=one.source,
            as_of=one.as_of.isoformat(),
            verified=one.verified,
        )


def flip(policy: Policy, today: dt.date) -> str:
    """What is to be said to a firm whose STOP is a no to one topic, as the day comes near."""
    begins = rules.named("us_revoke_all").applies_from
    if policy.consent.revoke_scope != "topic" or begins is None or today < begins - ALARM:
        return ""
    if today >= begins:
        return f"Since {begins} a STOP is a no to every text, whatever consent.revoke_scope says."
    return f"From {begins} on a STOP is a no to every text; consent.revoke_scope ends then."


# --- on paper -------------------------------------------------------------------------------------


def page(text: str) -> str:
    """A document with the table of every rule of law between its two marks."""
    rows = [
        f"| `{rule.id}` | {rule.jurisdiction} | {rule.says} | {_packs(rule)} | {rule.source} "
        f"| {rule.as_of} | {_yes(rule.verified)} |"
        for rule in rules.law()
    ]
    return _between(text, "| Rule | Where | Says | Packs | Source | As of | Verified |", rows)


def packs_page(text: str) -> str:
    """A document with the table of what the packs add to that, or leave to a person."""
    law = {rule.id for rule in rules.law()}
    found: dict[str, tuple[Shown, list[str]]] = {}
    for pack in (*rules.PACKS, *rules.ADD_ONS):
        for one in of_pack(pack):
            if one.rule not in law:
                found.setdefault(one.rule, (one, []))[1].append(pack)
    rows = [
        f"| `{one.rule}` | {_named(packs)} | {one.says} | {_seen_to_on_paper(one)} "
        f"| {one.source} | {one.as_of} | {_yes(one.verified)} |"
        for one, packs in found.values()
    ]
    return _between(
        text, "| Rule | Packs | Says | What sees to it | Source | As of | Verified |", rows
    )


def _seen_to_on_paper(one: Shown) -> str:
    if one.duty:
        return f"a person: {one.duty}"
    return ", ".join(f"`{place}`" for place in one.enforced)


def _between(text: str, columns: str, rows: list[str]) -> str:
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    line = "|---" * (columns.count("|") - 1) + "|"
    table = "\n".join([columns, line, *rows])
    return f"{head}{begin}\n{table}\n{end}{tail}"


def _packs(rule: Rule) -> str:
    return _named(list(rule.packs))


def _named(packs: list[str]) -> str:
    return "all" if set(packs) >= set(rules.PACKS) else ", ".join(packs)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    for name, write in (("door.md", page), ("policy.md", packs_page)):
        place = folder / name
        place.write_text(write(place.read_text(encoding="utf-8")), encoding="utf-8")
