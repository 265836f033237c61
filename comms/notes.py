"""What did one of us write beside something, as far as a reader gets it?

Nobody screens a note when it is written: who may read it is judged when it is shown.
"""

from sqlmodel import Session

from billing import vault
from comms import screening
from comms.compliance import clearance
from comms.compliance.clearance import Content, Form, Reader, Sink
from comms.compliance.labels import Label
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
