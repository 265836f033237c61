"""Why does something at the page stand where it stands? ``bot/explain`` in the page's own words.

The page knows clients by name, invoices by number, and rows of the timeline by a letter and their
id; its verdicts are a message's state, or one of the few words that it has colours for.
"""

from typing import Any

from sqlmodel import Session, col, select

from billing.models import Client, Invoice, Payment
from bot.app import App
from bot.reasons import explain
from bot.reasons.explanation import plain
from bot.reasons.naming import decided
from bot.report import Wrong
from bot.sandbox.portrait import invoice_state
from comms.models import Decision, Touchpoint

Json = dict[str, Any]
_VERDICTS = {
    "send": "send", "held": "hold", "escalate": "escalate", "late": "escalate",
    "allow": "send", "defer": "hold", "review": "review", "withhold": "refuse", "cancel": "refuse",
}  # fmt: skip
_MOST = 6
"""Decisions that an answer leads to."""


def told(session: Session, app: App, kind: str, id_: str) -> Json | None:
    """The page's answer to why; None where there is no such thing."""
    found_row = _row(session, kind, id_)
    if found_row is None:
        return None
    about, number = found_row
    try:
        found = plain(explain.of(session, app.office(), about, number))
    except Wrong:
        return None
    if about in ("client", "decision"):
        found["verdict"] = _VERDICTS.get(found["verdict"], "nothing")
    elif about == "invoice":
        found["verdict"] = invoice_state(session, number, app.clock.now())
        found["reason"] = found["reason"] or "It is paid."
    found["kind"], found["id"] = kind, id_
    found["related"] = [_known(session, one) for one in found["related"]]
    found["related"] += _decisions(session, about, number)
    del found["decisions"]
    return found


def _row(session: Session, kind: str, id_: str) -> tuple[str, int] | None:
    """The row behind what the page calls so; of a payment or a client's words, the client's."""
    if kind == "client":
        found = session.exec(select(Client.id).where(Client.name == id_)).first()
        return (kind, found) if found else None
    if kind == "invoice":
        found = session.exec(select(Invoice.id).where(Invoice.number == id_)).first()
        return (kind, found) if found else None
    letter, number = ("", id_) if kind == "message" else (id_[:1], id_[1:])
    if not (number.isascii() and number.isdigit() and len(number) < 18):
        return None
    if letter in ("p", "t"):
        row = session.get(Payment if letter == "p" else Touchpoint, int(number))
        return ("client", row.client_id) if isinstance(row, Payment | Touchpoint) else None
    about = {"": "message", "d": "decision", "i": "invoice"}.get(letter)
    return (about, int(number)) if about else None


def _known(session: Session, related: Json) -> Json:
    """The same link with the id by which the page knows the thing."""
    if related["kind"] == "client":
        return related | {"id": session.get_one(Client, int(related["id"])).name}
    if related["kind"] == "invoice":
        return related | {"id": session.get_one(Invoice, int(related["id"])).number}
    if related["kind"] == "decision":
        return related | {"id": f"d{related['id']}"}
    return related


def _decisions(session: Session, about: str, number: int) -> list[Json]:
    """The newest decisions that led there, to be opened one by one."""
    if about == "client":
        which = Decision.client_id == number
    elif about == "message":
        which = (Decision.subject_kind == "message") & (Decision.subject_id == number)
    else:
        return []
    query = select(Decision).where(which).order_by(col(Decision.id).desc()).limit(_MOST)
    found = [(one, decided(one.verdict), one.rule.replace("_", " ")) for one in session.exec(query)]
    return [
        {
            "kind": "decision",
            "id": f"d{one.id}",
            "label": f"{one.decided_at:%-d %b %H:%M} {verdict}: {rule}",
        }
        for one, verdict, rule in found
    ]
