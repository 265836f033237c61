"""What does the privilege log say: what is withheld as legal advice, and nothing of what it says?

The fields are those that courts ask for (FRCP 26(b)(5)(A)). A row is there as soon as something is
sealed, whichever way it went. Whom a mail went to and what came with it lies sealed beside its
words, and is opened for the log by the machine alone; of a file its kind is told and not its name.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from billing import aliases, vault
from billing.models import Address, Client, Contact
from bot.report import Report, Table, harmless
from comms import seals
from comms.compliance import signs
from comms.compliance.labels import Label
from comms.law import attributions, counsel
from comms.law.matters import Attribution
from comms.models import Access, Touchpoint
from comms.office import Office

COLUMNS = (
    "id", "date", "from", "to", "cc", "bcc", "type", "attachments",
    "privilege", "description", "basis", "matter",
)  # fmt: skip
_KINDS = {"sms": "text message", "email": "email", "call": "call", "letter": "letter"}
_WHO = "the firm"


def log(session: Session, office: Office, client: Client | None, matter: str) -> Report:
    """A row for everything that is sealed as legal advice, the oldest first, without its words."""
    sealed = _sealed(session, client)
    about = attributions.of(session, [one for one, _ in sealed])
    wanted = [pair for pair in sealed if _may_be(about.get(pair[0].id), matter)]
    rows = [
        _row(session, office, one, rulings) | _attributed(about.get(one.id))
        for one, rulings in wanted
    ]
    none = sum(not row["matter"] for row in rows)
    rows = [row for row in rows if not matter or row["matter"] == matter]
    shown = [[str(row[name]) for name in COLUMNS] for row in rows]
    lines = [] if rows else ["Nothing is sealed as legal advice."]
    lines += [_UNTOLD.format(none, "" if none == 1 else "s")] if none else []
    tables = [Table("", list(COLUMNS), shown)] if rows else []
    return Report({"rows": rows, "unattributed": none}, lines, tables)


_UNTOLD = (
    "{} message{} may belong here and is attributed to no matter; `counterfoil privilege matter "
    "TOUCHPOINT MATTER` says which."
)


def _may_be(found: Attribution | None, matter: str) -> bool:
    """What is of a matter, or may be and is of none."""
    if not matter:
        return True
    return found is not None and (found.matter or matter) == matter and matter in found.among


def _attributed(found: Attribution | None) -> dict[str, object]:
    """The matter, and how it is known; of what may be about several, which."""
    if found is None:
        return {"matter": "", "attributed": "", "among": []}
    return {"matter": found.matter, "attributed": found.reason, "among": list(found.among)}


def as_csv(report: Report) -> str:
    """The same for a court; a cell that a spreadsheet would take for a formula is quoted."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for table in report.tables:
        writer.writerows([harmless(cell) for cell in row] for row in table.rows)
    return text.getvalue()


def _sealed(session: Session, client: Client | None) -> list[tuple[Touchpoint, list[Access]]]:
    query = (
        select(Touchpoint)
        .where(
            col(Touchpoint.labels).contains(Label.PRIVILEGED)
            | col(Touchpoint.id).in_(
                select(Access.touchpoint_id).where(Access.label == Label.PRIVILEGED)
            )
        )
        .order_by(col(Touchpoint.occurred_at), col(Touchpoint.id))
    )
    if client is not None:
        query = query.where(col(Touchpoint.client_id).in_(aliases.group(session, client.id)))
    found = session.exec(query).all()
    held = seals.labels_of(session, found)
    rulings: dict[int, list[Access]] = {}
    said = select(Access).where(
        col(Access.touchpoint_id).in_([one.id for one in found]),
        col(Access.change).in_(("sealed", "unsealed")),
    )
    for ruling in session.exec(said.order_by(col(Access.id))):
        rulings.setdefault(ruling.touchpoint_id or 0, []).append(ruling)
    return [(one, rulings.get(one.id, [])) for one in found if Label.PRIVILEGED in held[one.id]]


def _row(
    session: Session, office: Office, touchpoint: Touchpoint, rulings: Sequence[Access]
) -> dict[str, object]:
    client = session.get_one(Client, touchpoint.client_id)
    kept = _kept(session, office, touchpoint)
    inward = touchpoint.direction == "in"
    them = _them(session, touchpoint, client)
    kind = _KINDS.get(touchpoint.channel, touchpoint.channel)
    product = _is_work_product(session, office, touchpoint)
    what = "prepared for litigation" if product else "seeking, giving or reflecting legal advice"
    return {
        "id": touchpoint.id,
        "date": f"{touchpoint.occurred_at:%Y-%m-%d %H:%M} UTC",
        "from": them if inward else _WHO,
        "to": "; ".join(kept.get("to") or [_WHO]) if inward else them,
        "cc": "; ".join(kept.get("cc") or ()),
        "bcc": "; ".join(kept.get("bcc") or ()),
        "type": kind,
        "attachments": _attached(kept.get("media") or ()),
        "privilege": "work product" if product else "attorney-client",
        "description": f"{kind.capitalize()} {what}",
        "basis": _basis(touchpoint, rulings),
    }


def _kept(session: Session, office: Office, touchpoint: Touchpoint) -> Mapping[str, Any]:
    text = vault.text(session, office.keyring, touchpoint.body_id)
    if not text or text == vault.ERASED:
        return {}
    found = json.loads(text)
    return found if isinstance(found, dict) else {}


def _them(session: Session, touchpoint: Touchpoint, client: Client) -> str:
    contact = session.get(Contact, touchpoint.contact_id) if touchpoint.contact_id else None
    address = session.get(Address, touchpoint.address_id) if touchpoint.address_id else None
    who = contact.name if contact and contact.name else client.name
    return f"{who} <{address.value}>" if address else who


def _attached(names: Iterable[str]) -> str:
    """How many of which kind: "2 pdf, 1 docx". A name may tell what a file says."""
    kinds = Counter(name.rpartition(".")[2].lower() if "." in name else "file" for name in names)
    return ", ".join(f"{many} {kind[:10]}" for kind, many in sorted(kinds.items()))


def _is_work_product(session: Session, office: Office, touchpoint: Touchpoint) -> bool:
    """Whether its signals are those of preparation for a dispute, and of no advice."""
    kinds = signs.kinds(counsel.signals_of(session, office, touchpoint))
    return bool(kinds & {"work", "strategy"}) and not kinds & {"ask", "advise"}


def _basis(touchpoint: Touchpoint, rulings: Sequence[Access]) -> str:
    """Who says that it is privileged: the rule that found it, and whoever said so last."""
    sealed = [one for one in rulings if one.change == "sealed" and one.label == Label.PRIVILEGED]
    found = ["found by rule"] if Label.PRIVILEGED in touchpoint.labels.split() else []
    return "; ".join([*found, *(f"sealed by {one.by}" for one in sealed[-1:])])
