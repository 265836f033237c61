"""Does the law stand between us and a client from now on, and what did a person there ask for?"""

import datetime as dt

from sqlmodel import Session, col, select

from billing import aliases, facts, references, vault
from billing.ledger.entry import Applied, Contradiction, Entry, touch
from billing.models import (
    Address,
    Contact,
    ContactAddress,
    ContactRole,
    Hold,
    LegalKind,
    LegalState,
    PrimaryRecipient,
    StatedPreference,
)

REVIEW = dt.timedelta(days=180)
"""No hold is without an end but those of bankruptcy and cease: after this a person looks again.

The legal state itself stays, and with it the door."""
_ENDLESS = (LegalKind.BANKRUPTCY, LegalKind.CEASE)


def place(entry: Entry, fact: facts.LegalStatePlaced) -> Applied:
    """Nothing leaves any more; reminders rest.

    Two proceedings that another system has names for are two, and each is lifted by its own name.
    What we recognised or were told here has none: it joins any that stands.
    """
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    contact_id = _person(session, client_id, fact)
    joins = fact.source == facts.OURSELVES and _stands(session, client_id, contact_id, fact.kind)
    if joins or _told(session, fact.key):
        return Applied(client_id, changed=False)
    kind = LegalKind(fact.kind)
    by = fact.by or fact.source
    hold = _rest(entry, client_id, kind, by) if contact_id is None else None
    session.add(
        LegalState(
            client_id=client_id,
            contact_id=contact_id,
            counsel_id=_counsel(entry, client_id, fact),
            hold_id=hold.id if hold else None,
            kind=kind,
            told_as=fact.key,
            note_id=_note(entry, client_id, fact.reason),
            placed_by=by,
            placed_at=fact.placed_at,
        )
    )
    touch(session, client_id, entry.now)
    return Applied(client_id)


def of_hold(session: Session, hold: Hold) -> None:
    """A hold for bankruptcy or a request to cease is a legal state as well."""
    if hold.reason in _ENDLESS and hold.invoice_id is None:
        session.add(
            LegalState(
                client_id=hold.client_id,
                hold_id=hold.id,
                kind=hold.reason,
                told_as=f"hold:{hold.id}/{hold.placed_at.isoformat()}",
                placed_by=hold.placed_by,
                placed_at=hold.placed_at,
            )
        )


def lift(entry: Entry, fact: facts.LegalStateLifted) -> Applied:
    """It stands no more, and the hold that came with it is released.

    Raises:
        Unknown: nobody placed it.
    """
    session = entry.session
    key = facts.joined(fact.source, "legal", fact.external_id)
    state = _told(session, key)
    if state is None:
        raise references.Unknown(f"legal state {fact.external_id} is not known; place it first")
    if state.lifted_at is not None:
        return Applied(state.client_id, changed=False)
    let_go(session, state, fact.lifted_at, fact.by or fact.source, entry.now)
    return Applied(state.client_id)


def let_go(session: Session, state: LegalState, at: dt.datetime, by: str, now: dt.datetime) -> None:
    """The state stands no more; reminders go on where nothing else holds them."""
    end(session, state, at, by)
    hold = session.get(Hold, state.hold_id) if state.hold_id else None
    if hold is not None and hold.released_at is None:
        hold.released_at, hold.released_by = at, by
        session.add(hold)
    touch(session, state.client_id, now)


def release(session: Session, hold: Hold) -> None:
    """The hold is released, and with it what came with it."""
    for state in session.exec(
        select(LegalState).where(LegalState.hold_id == hold.id, col(LegalState.lifted_at).is_(None))
    ):
        end(session, state, hold.released_at or hold.placed_at, hold.released_by)


def end(session: Session, state: LegalState, at: dt.datetime, by: str) -> None:
    """Nobody deletes it: that it stood is part of the record."""
    state.lifted_at, state.lifted_by = at, by
    session.add(state)


def _told(session: Session, key: str) -> LegalState | None:
    return session.exec(select(LegalState).where(LegalState.told_as == key)).first()


def _stands(session: Session, client_id: int, contact_id: int | None, kind: str) -> bool:
    query = select(LegalState.id).where(
        LegalState.client_id == client_id,
        LegalState.contact_id == contact_id,
        LegalState.kind == kind,
        col(LegalState.lifted_at).is_(None),
    )
    return session.exec(query).first() is not None


def _rest(entry: Entry, client_id: int, kind: LegalKind, by: str) -> Hold:
    """Reminders rest, so that no step is taken that the door would keep."""
    hold = Hold(
        client_id=client_id,
        reason=kind,
        placed_by=by,
        placed_at=entry.now,
        until=None if kind in _ENDLESS else entry.now + REVIEW,
    )
    entry.session.add(hold)
    entry.session.flush()
    return hold


def _note(entry: Entry, client_id: int, reason: str) -> int | None:
    if not reason or entry.keyring is None:
        return None
    return vault.put(entry.session, entry.keyring, entry.key_of(client_id), reason, entry.now)


# --- people ---------------------------------------------------------------------------------------


def _person(
    session: Session, client_id: int, fact: facts.LegalStatePlaced | facts.PreferenceStated
) -> int | None:
    """The contact who reads at the address that is named; None where none is named.

    Raises:
        Contradiction: nobody of the client reads there.
    """
    address = _address(session, fact)
    if address is None:
        return None
    query = (
        select(Contact.id)
        .join(ContactAddress, col(ContactAddress.contact_id) == Contact.id)
        .where(
            col(Contact.client_id).in_(aliases.group(session, client_id)),
            ContactAddress.address_id == address.id,
        )
        .order_by(col(Contact.id))
    )
    found = session.exec(query).first()
    if found is None:
        raise Contradiction(
            f"{address.value} is nobody's at this client; name an address of theirs"
        )
    return found


def _address(
    session: Session, fact: facts.LegalStatePlaced | facts.PreferenceStated
) -> Address | None:
    kind, value = ("email", fact.email) if fact.email else ("sms", fact.phone)
    if value is None:
        return None
    query = select(Address).where(Address.kind == kind, Address.value == value)
    found = session.exec(query).first()
    if found is None:
        raise Contradiction(f"{value} is no address that we know; name one of the client's")
    return found


def _counsel(entry: Entry, client_id: int, fact: facts.LegalStatePlaced) -> int | None:
    """Counsel is a contact of the client, for its legal matters only."""
    if fact.counsel_email is None:
        return None
    session = entry.session
    contact = Contact(client_id=client_id, name=fact.counsel_name or "")
    session.add(contact)
    session.flush()
    session.add(ContactRole(contact_id=contact.id, role="legal"))
    query = select(Address).where(Address.kind == "email", Address.value == fact.counsel_email)
    address = session.exec(query).first()
    if address is None:
        address = Address(kind="email", value=fact.counsel_email, created_at=entry.now)
        session.add(address)
        session.flush()
    session.add(ContactAddress(contact_id=contact.id, address_id=address.id))
    return contact.id


# --- preferences ----------------------------------------------------------------------------------


def prefer(entry: Entry, fact: facts.PreferenceStated) -> Applied:
    """From now on it binds, in the place of what the person, or the address, asked for before."""
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    if _wish(session, fact.key):
        return Applied(client_id, changed=False)
    address = _address(session, fact)
    contact_id = _person(session, client_id, fact) if address else _primary(session, client_id)
    for before in session.exec(
        select(StatedPreference).where(
            col(StatedPreference.ended_at).is_(None),
            StatedPreference.address_id == address.id
            if address
            else StatedPreference.contact_id == contact_id,
        )
    ):
        before.ended_at, before.ended_by = fact.stated_at, fact.by or fact.source
    session.add(
        StatedPreference(
            contact_id=None if address else contact_id,
            address_id=address.id if address else None,
            channels=" ".join(fact.channels),
            not_before=fact.not_before or "",
            not_after=fact.not_after or "",
            timezone=fact.timezone or "",
            told_as=fact.key,
            placed_by=fact.by or fact.source,
            placed_at=fact.stated_at,
        )
    )
    touch(session, client_id, entry.now)
    return Applied(client_id)


def stop_preferring(entry: Entry, fact: facts.PreferenceEnded) -> Applied:
    """It binds no more.

    Raises:
        Unknown: nobody stated it.
    """
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    wish = _wish(session, facts.joined(fact.source, "preference", fact.external_id))
    if wish is None:
        raise references.Unknown(f"preference {fact.external_id} is not known; state it first")
    if wish.ended_at is not None:
        return Applied(client_id, changed=False)
    wish.ended_at, wish.ended_by = fact.ended_at, fact.by or fact.source
    touch(session, client_id, entry.now)
    return Applied(client_id)


def _wish(session: Session, key: str) -> StatedPreference | None:
    return session.exec(select(StatedPreference).where(StatedPreference.told_as == key)).first()


def _primary(session: Session, client_id: int) -> int:
    """Whom we write to about money.

    Raises:
        Contradiction: nobody is there to ask for anything.
    """
    found = session.get(PrimaryRecipient, (client_id, "billing"))
    if found is None:
        raise Contradiction("the client has no contact yet; name an address of the person")
    return found.contact_id
