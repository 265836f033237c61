"""Whom or what does a person mean by a word on the command line?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import aliases, facts, references
from billing.models import Client, ExternalRef, Invoice
from bot.report import Wrong
from bot.slack import people
from comms.models import Message

_MOST = 8
"""Names in one sentence."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A row that can be asked about: a client, an invoice or a message."""

    kind: str
    id: int


def find(session: Session, said: str) -> Subject:
    """The one thing that is called so: a message, an invoice or a client.

    Raises:
        Wrong: nothing is, or more than one.
    """
    word = said.strip()
    for kind, model in (("message", Message), ("invoice", Invoice), ("client", Client)):
        if (number := references.numbered(word, kind)) is not None:
            if session.get(model, number) is None:
                raise Wrong(f"There is no {word}; give a name, a number or a reference.")
            return Subject(kind, number)
    message = session.exec(select(Message.id).where(Message.reference == word)).first()
    number = references.numbered(f"message:{word}", "message")
    if message is None and number is not None and not _invoices(session, word):
        message = session.exec(select(Message.id).where(Message.id == number)).first()
    if message is not None:
        return Subject("message", message)
    invoices = _invoices(session, word)
    if len(invoices) > 1:
        listed = ", ".join(f"invoice:{one.id}" for one in invoices)
        raise Wrong(f"More than one invoice is called {word}; ask for one of {listed}.")
    if invoices:
        return Subject("invoice", invoices[0].id)
    return Subject("client", client(session, word).id)


def client(session: Session, said: str, *, alias: bool = False) -> Client:
    """The one client of this name, or whom a source calls so.

    One that is merged leads to who speaks for it, unless the ``alias`` itself is meant.

    Raises:
        Wrong: there is none, or more than one.
    """
    word = said.strip()
    called = _by_reference(session, word) or (_called(session, word) if alias else [])
    found = called or people.named(session, word, _MOST)
    if len(found) == 1:
        return found[0] if alias else aliases.master(session, found[0])
    if found:
        names = ", ".join(f"client:{one.id} ({one.name})" for one in found)
        raise Wrong(f"More than one client is called {word}: {names}; ask for one of them.")
    if billed := _invoices(session, word):
        whose = session.get_one(Client, billed[0].client_id).name
        raise Wrong(f"{word} is an invoice of {whose}; name a client.")
    near = people.nearest(session, word)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; give a name or a reference."
    raise Wrong(f"There is nothing called {word}{hint}")


def _called(session: Session, name: str) -> list[Client]:
    """Clients of exactly this name, merged or not."""
    query = select(Client).where(func.lower(Client.name) == name.lower()).order_by(col(Client.id))
    return list(session.exec(query.limit(_MOST)))


def _by_reference(session: Session, word: str) -> list[Client]:
    if (number := references.numbered(word, "client")) is not None:
        held = session.get(Client, number)
        return [held] if held else []
    named = [
        session.get(ExternalRef, (system, "client", facts.joined(system, "client", word)))
        for system in _systems(session)
    ]
    wanted = {ref.target_id for ref in named if ref is not None}
    query = select(Client).where(col(Client.id).in_(wanted)).order_by(col(Client.id))
    return list(session.exec(query)) if wanted else []


def _systems(session: Session) -> Iterator[str]:
    """Each system that calls anything of ours by a name: one step in the index for each."""
    system: str | None = ""
    while system is not None:
        later = select(func.min(ExternalRef.system)).where(ExternalRef.system > system)
        system = session.exec(later).one()
        if system is not None:
            yield system


def _invoices(session: Session, number: str) -> Sequence[Invoice]:
    query = select(Invoice).where(Invoice.number == number).order_by(col(Invoice.id))
    return session.exec(query.limit(_MOST)).all()
