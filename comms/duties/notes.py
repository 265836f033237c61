"""What did one of us write beside something, as far as a reader gets it?

Nobody screens a note when it is written: who may read it is judged when it is shown.
"""

from sqlmodel import Session, select

from billing import vault
from comms import seals
from comms.compliance import clearance
from comms.compliance.clearance import Content, Form, Reader, Sink
from comms.compliance.labels import Label
from comms.listening import screening
from comms.models import Message, Touchpoint
from comms.office import Office

ANYBODY = Reader(Sink.CHANNEL)
"""Everybody who sees a card, or sits at a terminal, whatever their roles."""


def read(session: Session, office: Office, body_id: int | None, reader: Reader = ANYBODY) -> str:
    """The note; where it is sealed for them, why, and the billing fact in it."""
    text = vault.text(session, office.keyring, body_id)
    return shown(text, reader) if text and text != vault.ERASED else text


def shown(text: str, reader: Reader = ANYBODY) -> str:
    """The same of a text at hand."""
    masked, labels, fact = screening.covered(text, "call_note")
    released = clearance.release(Content(masked, frozenset(map(Label, labels)), fact), reader)
    if released.form in (Form.FULL, Form.MASKED):
        return released.text
    return " ".join(part for part in (released.reason, released.text) if part)


def sent(session: Session, said: str, message: Message, reader: Reader = ANYBODY) -> str:
    """What a message of ours says: what is sealed of what left stays so.

    What has not left, and a person typed, is judged by its words.
    """
    gone = session.exec(select(Touchpoint).where(Touchpoint.message_id == message.id)).first()
    if gone is None:
        return shown(said, reader) if message.draft_id is not None else said
    labels = seals.labels_of(session, [gone])[gone.id]
    released = clearance.release(Content(said, labels), reader)
    return released.text or released.reason
