"""What does whoever watches a story see: what stands still, what is logged, and whose words?"""

import io
import logging
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, redirect_stderr

import structlog
from sqlmodel import Session, select

from billing.models import Address, Client, Contact, LegalEntity
from bot.watching import logs
from comms.models import Message


@contextmanager
def heard() -> Iterator[io.StringIO]:
    """All that is logged meanwhile, as the product that serves logs it."""
    root, log = logging.getLogger(), io.StringIO()
    before = root.handlers, root.level
    with redirect_stderr(log):
        logs.json_lines("debug")
        try:
            yield log
        finally:
            structlog.reset_defaults()
            root.handlers, root.level = before


def secrets(session: Session) -> set[str]:
    """Names, numbers and mailboxes of everybody, ourselves included."""
    found = {
        *session.exec(select(Client.name)),
        *session.exec(select(Contact.name)),
        *session.exec(select(Address.value)),
        *session.exec(select(LegalEntity.name)),
    }
    return {one.lstrip("+").lower() for one in found if len(one) > 3}


def references(session: Session) -> set[str]:
    """Of all messages: random letters, which are a short name now and then."""
    return set(session.exec(select(Message.reference)))


def told(secrets: Collection[str], said: str, references: Collection[str] = ()) -> list[str]:
    """The secrets that stand in a text as words of their own."""
    for reference in references:
        said = said.replace(reference, "")
    said = said.lower()
    words = [rf"(?<![a-z0-9]){re.escape(secret)}(?![a-z0-9])" for secret in sorted(secrets)]
    return [word for word in words if re.search(word, said)]
