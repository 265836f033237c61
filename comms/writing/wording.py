"""May these words leave for this client, by this channel?

What was rendered is held against the profile of the channel (``compliance/disclosure``), with the
names that the client's own bills have. What a template must not say is withheld and is somebody's
task; what a person typed waits for somebody who may let it go.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing import vault
from billing.aliases import Kin
from billing.models import Client, Invoice, InvoiceLine, LegalEntity
from comms.compliance import disclosure
from comms.compliance.disclosure import Breach, Names, Profile
from comms.door import Finding, Verdict
from comms.models import Message, Task, TaskKind
from comms.office import Office
from comms.ports import Outgoing
from comms.writing.letters import Letter

RULE = "disclosure"
_MATTERS = (
    core_select(col(Invoice.client_id), col(Invoice.matter))
    .where(
        col(Invoice.client_id).in_(bindparam("clients", expanding=True)),
        col(Invoice.matter) != "",
    )
    .distinct()
    .order_by(col(Invoice.client_id), col(Invoice.matter))
)
_LINES = (
    core_select(col(InvoiceLine.description_id))
    .join(Invoice, col(Invoice.id) == col(InvoiceLine.invoice_id))
    .where(
        col(Invoice.client_id).in_(bindparam("clients", expanding=True)),
        col(InvoiceLine.description_id).is_not(None),
    )
    .order_by(col(InvoiceLine.id).desc())
    .limit(1_000)
)


def names(session: Session, kin: Kin, messages: Sequence[Message]) -> dict[int, Names]:
    """What the bills of the clients of some messages call their matters, by message."""
    if not kin:
        return {}
    rows = session.execute(_MATTERS, {"clients": list(kin)}).all()
    matters: dict[int, list[str]] = {}
    for row in rows:
        matters.setdefault(kin[row.client_id], []).append(row.matter)
    speakers = {one.id: kin.get(one.client_id or 0, 0) for one in messages}
    return {
        one: Names(matters=tuple(matters[speaker]))
        for one, speaker in speakers.items()
        if speaker in matters
    }


def refusal(
    office: Office, letter: Letter, outgoing: Outgoing, known: Names, own: Callable[[], str]
) -> Finding | None:
    """What of a rendered message may not leave by its channel.

    What a person typed has been judged at the door, and may have been let go. What the template
    reads like by itself (``own``) was looked at when it was saved: only what its data adds counts,
    and a passage that has none of it adds nothing.
    """
    entity, channel = letter.entity, letter.message.channel
    if host := disclosure.shortened(outgoing.text):
        reason = f"It has a public link shortener in it ({host}), which hides where it leads."
        return Finding("content", Verdict.WITHHOLD, RULE, reason)
    if letter.message.draft_id is not None:
        return None
    by = disclosure.profile(channel, office.policy.packs(entity.name))
    for text in (outgoing.subject, outgoing.text):
        for found in disclosure.breaches(text, by, known, _own(entity)):
            passage = text[found.start : found.end]
            if found.kind in disclosure.JUDGED and _says_so(own(), passage, found.kind, by):
                continue
            return Finding("content", Verdict.WITHHOLD, RULE, found.reason)
    return None


def _says_so(own: str, passage: str, kind: str, by: Profile) -> bool:
    """Whether a passage is the template's own, or the template reads so to everybody."""
    if " ".join(passage.split()) in " ".join(own.split()):
        return True
    return any(one.kind == kind for one in disclosure.breaches(own, by))


def _own(entity: LegalEntity) -> Sequence[str]:
    """The firm may name itself, whatever it is called."""
    return [entity.name, entity.from_name, entity.pay_link, *entity.postal_address.splitlines()]


def typed(
    session: Session, office: Office, together: Collection[int], channel: str, text: str
) -> list[Breach]:
    """What of a person's own words may not go to these clients, who are one, by this channel."""
    asked = {"clients": list(together)}
    matters = session.execute(_MATTERS, asked).scalars(1)
    lines = [vault.text(session, office.keyring, one) for one in session.scalars(_LINES, asked)]
    known = Names(tuple(matters), _telling(lines))
    by = disclosure.profile(channel, office.policy.packs())
    own = [word for entity in session.exec(select(LegalEntity)) for word in _own(entity)]
    return disclosure.breaches(text, by, known, own)


_WORDS = 2
"""A line of one word ("Services") would be found in every letter."""


def _telling(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in lines if len(one.split()) >= _WORDS))


def ask_for(session: Session, office: Office, client: Client) -> None:
    """Somebody has to word it otherwise; one task for a client, however many messages it keeps."""
    query = select(Task.id).where(
        Task.client_id == client.id, Task.kind == TaskKind.WORDING, Task.state == "open"
    )
    if session.exec(query.limit(1)).first() is None:
        session.add(
            Task(
                kind=TaskKind.WORDING, client_id=client.id, owner_id=client.owner_id,
                opened_at=office.now,
            )
        )  # fmt: skip
        session.flush()
