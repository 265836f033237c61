"""Who is counsel, ours and theirs, for whom; and what have our own people taught about a sender?

Asked before a text is screened. Counsel comes from the policy, from rows that say it of one client
or of all, from contacts whose role is legal, and from those who represent a client against us. What
people sealed and unsealed counts for the sender of what they looked at, and for nobody else.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, Literal, NamedTuple

from sqlmodel import Session, col, or_, select

from billing import aliases, vault
from billing.models import Address, Contact, ContactAddress, ContactRole, LegalState, Side
from billing.models import Counsel as Row
from comms import consent
from comms.compliance import privilege
from comms.compliance.clearance import Ruling
from comms.compliance.labels import Label
from comms.compliance.material import Content, Learned, Material, Parties
from comms.facts import InboundMessage
from comms.models import Access, Touchpoint
from comms.office import Office

_PUBLIC: Final = frozenset({
    "aol.com", "fastmail.com", "gmail.com", "gmx.com", "gmx.de", "gmx.net", "googlemail.com",
    "hotmail.com", "icloud.com", "live.com", "mac.com", "mail.com", "me.com", "msn.com",
    "outlook.com", "pm.me", "proton.me", "protonmail.com", "web.de", "yahoo.com", "yandex.com",
    "zoho.com",
})  # fmt: skip
"""Where everybody may have a mailbox: there an address is proposed, and no domain."""
_TAUGHT: Final = ("sealed", "unsealed", "forgotten")
_MOST: Final = 50
"""Messages of one sender that teach at most, the newest."""
Lesson = Literal["", "opened", "closed"]


def parties(session: Session, office: Office, message: InboundMessage) -> Parties:
    """What is known of counsel, and of whoever sent this, before it is screened."""
    address = consent.find_address(session, message.channel, message.sender)
    clients = consent.clients_of(session, address.id) if address else []
    known = _known(session, office, clients, message.sender)
    if address is None:
        return known
    return replace(known, learned=_learned(session, office, address, clients))


def about(session: Session, office: Office, client_id: int) -> Parties:
    """Who is counsel in what one of ours says to a client, or of them."""
    return _known(session, office, aliases.group(session, client_id))


# --- who is counsel -------------------------------------------------------------------------------


class _Said(NamedTuple):
    side: str
    value: str
    name: str
    of_them: bool
    """Of just these clients, which beats what is said of everybody."""


def _known(session: Session, office: Office, clients: Collection[int], sender: str = "") -> Parties:
    said = [*_of_policy(office), *_of_rows(session, clients, sender), *_of_people(session, clients)]

    def of(side: Side, *, of_them: bool) -> set[str]:
        return {one.value for one in said if one.side == side and one.of_them == of_them}

    theirs = of(Side.OPPOSING, of_them=True)
    ours = of(Side.OURS, of_them=True) | (of(Side.OURS, of_them=False) - theirs)
    names = {one.name for one in said if one.name and one.side == Side.OURS}
    return Parties(
        counsel=frozenset(ours),
        opposing=frozenset((theirs | of(Side.OPPOSING, of_them=False)) - ours),
        names=frozenset(names | set(office.policy.counsel.names)),
    )


def _of_policy(office: Office) -> Iterator[_Said]:
    for value in office.policy.counsel.ours:
        yield _Said(Side.OURS, value, "", of_them=False)
    for value in office.policy.counsel.opposing:
        yield _Said(Side.OPPOSING, value, "", of_them=False)


def _of_rows(session: Session, clients: Collection[int], sender: str) -> Iterator[_Said]:
    """Of whom nobody knows the client, whatever is said of their own address."""
    whose = [col(Row.client_id).is_(None), col(Row.client_id).in_(clients)]
    if sender and not clients:
        whose.append(col(Row.value).in_((sender.lower(), domain_of(sender))))
    query = select(Row).where(Row.state == "known", or_(*whose)).order_by(col(Row.id))
    for row in session.exec(query):
        yield _Said(row.side, row.value, row.name, of_them=row.client_id is not None)


def _of_people(session: Session, clients: Collection[int]) -> Iterator[_Said]:
    """A client's contact for legal matters, and who represents a client against us."""
    if not clients:
        return
    against = select(LegalState.counsel_id).where(
        col(LegalState.client_id).in_(clients), col(LegalState.lifted_at).is_(None)
    )
    opposing = set(session.exec(against))
    query = (
        select(Contact.id, Contact.name, Address.value, ContactRole.role)
        .join(ContactAddress, col(ContactAddress.contact_id) == Contact.id)
        .join(Address, col(Address.id) == ContactAddress.address_id)
        .outerjoin(ContactRole, col(ContactRole.contact_id) == Contact.id)
        .where(
            col(Contact.client_id).in_(clients),
            or_(ContactRole.role == "legal", col(Contact.id).in_(opposing)),
        )
    )
    for contact_id, name, value, _ in session.exec(query):
        side = Side.OPPOSING if contact_id in opposing else Side.OURS
        yield _Said(side, value.lower(), name if " " in name else "", of_them=True)


def domain_of(address: str) -> str:
    """What stands behind the @; nothing of a telephone number."""
    return address.lower().rpartition("@")[2] if "@" in address else ""


def propose(session: Session, office: Office, touchpoint: Touchpoint, by: str) -> Row | None:
    """What a person sealed came by mail: may its sender be counsel? A person says so, or not."""
    address = session.get(Address, touchpoint.address_id) if touchpoint.address_id else None
    domain = domain_of(address.value) if address else ""
    if address is None or not domain or touchpoint.direction != "in":
        return None
    sender = address.value.lower()
    known = about(session, office, touchpoint.client_id)
    if {sender, domain} & (known.counsel | known.opposing):
        return None
    value = sender if domain in _PUBLIC else domain
    asked = select(Row.id).where(
        Row.value == value, col(Row.client_id).in_(aliases.group(session, touchpoint.client_id))
    )
    if session.exec(asked.limit(1)).first() is not None:
        return None
    row = Row(
        client_id=touchpoint.client_id, side=Side.OURS, value=value, state="proposed",
        touchpoint_id=touchpoint.id, said_by=by, said_at=office.now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


# --- what was taught ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taught:
    """A word of a person's on one message, from which the next of its sender are judged."""

    touchpoint: Touchpoint
    lesson: Lesson
    last: Access


def lesson(found: Collection[Label], rulings: Iterable[Ruling]) -> Lesson:
    """What people's words on a message come to: it was wrongly sealed, it was missed, or nothing.

    The last word counts, and only where it is another than the detector's. What nobody could
    screen in time teaches nothing, and of health nothing is learned.
    """
    said = ""
    for ruling in rulings:
        if ruling.change == "forgotten":
            said = ""
        elif ruling.change == "unsealed" or ruling.label == Label.PRIVILEGED:
            said = ruling.change
    if Label.UNSCREENED in found or not said:
        return ""
    if said == "unsealed":
        return "opened" if Label.PRIVILEGED in found else ""
    return "" if Label.PRIVILEGED in found else "closed"


def taught(
    session: Session, clients: Collection[int] | None = None, address_id: int | None = None
) -> list[Taught]:
    """Every word that teaches, of these clients and this sender, the oldest first."""
    query = (
        select(Touchpoint, Access)
        .join(Access, col(Access.touchpoint_id) == Touchpoint.id)
        .where(col(Access.change).in_(_TAUGHT))
        .order_by(col(Touchpoint.id), col(Access.id))
    )
    if clients is not None:
        query = query.where(col(Access.client_id).in_(clients))
    if address_id is not None:
        query = query.where(Touchpoint.address_id == address_id)
    every: list[Taught] = []
    for _, rows in groupby(session.exec(query).all(), key=lambda row: row[0].id):
        said = list(rows)
        touchpoint = said[0][0]
        found = [Label(name) for name in touchpoint.labels.split()]
        if meant := lesson(found, [ruling for _, ruling in said]):
            every.append(Taught(touchpoint, meant, said[-1][1]))
    return every


def _learned(
    session: Session, office: Office, address: Address, clients: Collection[int]
) -> Learned:
    """An address that writes for several clients opens nothing: it may be another's secret."""
    every = taught(session, clients, address.id)[-_MOST:] if clients else []
    heads = set(aliases.of(session, clients).values())
    seen = {
        kind: frozenset(
            signals_of(session, office, one.touchpoint, address.value)
            for one in every
            if one.lesson == kind
        )
        for kind in ("opened", "closed")
    }
    opened = seen["opened"] if len(heads) == 1 else frozenset()
    return Learned(opened=opened, closed=seen["closed"])


def signals_of(
    session: Session, office: Office, touchpoint: Touchpoint, sender: str = ""
) -> frozenset[str]:
    """The signals of legal advice in what was kept; none of what was erased.

    They stand nowhere: read anew each time, they go with the words.
    """
    text = vault.text(session, office.keyring, touchpoint.body_id)
    if not text or text == vault.ERASED:
        return frozenset()
    kept = json.loads(text)
    body = str(kept.get("body") or kept.get("visible") or kept.get("text") or "")
    subject = str(kept.get("subject") or "") or None
    return privilege.signals(Material.of(Content(body, sender, touchpoint.channel, subject)))
