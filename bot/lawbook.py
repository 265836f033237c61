"""Which rules of law hold for a firm like ours, who says so, and has counsel signed them?

``python -m bot.lawbook`` writes the table in docs/door.md anew; a test compares.
"""

import datetime as dt
import sys
from pathlib import Path

from billing import rules
from billing.policy import Policy
from bot.report import Report, Table, Wrong

BEGIN, END = "<!-- rules: begin -->", "<!-- rules: end -->"
ALARM = dt.timedelta(days=90)
"""So long before a rule begins to hold, whoever relies on its waiver is told."""


def explained(policy: Policy, pack: str, today: dt.date) -> Report:
    """The rules of a pack, or of the policy's own.

    Raises:
        Wrong: there is no such pack.
    """
    name = pack or policy.pack
    if name not in rules.PACKS:
        raise Wrong(f"There is no pack {name}; write one of {', '.join(rules.PACKS)}.")
    held = rules.of_pack(name)
    rows = [
        {
            "rule": rule.id,
            "where": rule.jurisdiction,
            "says": rule.says,
            "channels": list(rule.channels),
            "applies_from": rule.applies_from and rule.applies_from.isoformat(),
            "source": rule.source,
            "as_of": rule.as_of.isoformat(),
            "verified": rule.verified,
        }
        for rule in held
    ]
    signed = sum(rule.verified for rule in held)
    lines = [f"{name}: {len(held)} rules, {signed} of them confirmed by counsel."]
    lines += [sentence for sentence in [flip(policy, today)] if sentence]
    columns = ["rule", "where", "says", "source", "as_of", "verified"]
    shown = [
        [str(row[column]) if column != "verified" else "yes" if row[column] else "no"
         for column in columns]
        for row in rows
    ]  # fmt: skip
    data = {"pack": name, "version": rules.version(), "rules": rows, "signed": signed}
    return Report(data, lines, [Table("", columns, shown)])


def flip(policy: Policy, today: dt.date) -> str:
    """What is to be said to a firm whose STOP is a no to one topic, as the day comes near."""
    begins = rules.named("us_revoke_all").applies_from
    if policy.consent.revoke_scope != "topic" or begins is None or today < begins - ALARM:
        return ""
    if today >= begins:
        return f"Since {begins} a STOP is a no to every text, whatever consent.revoke_scope says."
    return f"From {begins} on a STOP is a no to every text; consent.revoke_scope ends then."


def page(text: str) -> str:
    """A document with the table of every rule between its two marks."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    return f"{head}{begin}\n{_table()}\n{end}{tail}"


def _table() -> str:
    rows = [
        f"| `{rule.id}` | {rule.jurisdiction} | {rule.says} | {_packs(rule)} | {rule.source} "
        f"| {rule.as_of} | {'yes' if rule.verified else 'no'} |"
        for rule in rules.law()
    ]
    head = "| Rule | Where | Says | Packs | Source | As of | Verified |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])


def _packs(rule: rules.Rule) -> str:
    return "all" if set(rule.packs) == set(rules.PACKS) else ", ".join(rule.packs)


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/door.md")
    place.write_text(page(place.read_text(encoding="utf-8")), encoding="utf-8")
