"""What does somebody read who writes to a client from Slack, and may they let it go?"""

from sqlmodel import Session

from billing import aliases
from billing.models import Role
from bot.slack import answers, blocks
from bot.slack.answers import Reply
from bot.slack.people import Person
from comms.compliance import clearance
from comms.compliance.disclosure import Breach
from comms.compliance.labels import SEALING, Label
from comms.duties.instructions import WriteText
from comms.listening import screening
from comms.models import Message
from comms.office import Office
from comms.writing import drafts


def marked(text: str, found: list[Breach]) -> str:
    """A text with the words that may not go set off, as its own writer sees it."""
    parts, last = [], 0
    for one in found:
        if one.start >= last:
            parts += [blocks.inline(text[last : one.start], 3_000)]
            parts += ["`" + blocks.inline(text[one.start : one.end].replace("`", "'"), 900) + "`"]
            last = one.end
    return " ".join(filter(None, (*parts, blocks.inline(text[last:], 3_000))))


def numbers(text: str) -> Reply | None:
    """What whoever typed a number of which nobody may know reads, with the number covered."""
    shown, labels, _ = screening.covered(text)
    found = frozenset(map(Label, labels)) - SEALING
    if not found:
        return None
    said = f"Not sent, and not kept: there is {clearance.named(found)} in it. Write it without."
    return Reply(said, (blocks.section(said), blocks.words(shown)))


def written(session: Session, office: Office, asked: WriteText, said: str) -> Reply:
    """What whoever wrote to a client reads: that it goes, or what may not, and whom to ask."""
    together = aliases.group(session, asked.client_id)
    labels, found = drafts.looked_at(session, office, asked.words, asked.channel, together)
    if drafts.review(labels, found) is None:
        return answers.say(said)
    who = "counsel" if Label.PRIVILEGED in labels else "compliance"
    body = [
        blocks.section(said),
        blocks.section(marked(asked.words, found)),
        blocks.context("Write it otherwise, or ask; until somebody lets it go, it stays here."),
    ]
    button = blocks.button(f"Ask {who}", "draft.ask", {"k": asked.key}, style="primary")
    return Reply(said, blocks.fit(body, blocks.actions([button])))


def refusal(session: Session, office: Office, person: Person, draft: Message) -> str:
    """Why this person may not decide it; nothing where they may."""
    found = drafts.of(session, office, draft)
    if drafts.may(person.roles, found.labels):
        return drafts.walled(session, draft, found, person.id)
    role = Role.PRIVILEGED if Label.PRIVILEGED in found.labels else Role.COMPLIANCE
    return (
        f"To decide that needs the role {role}. An administrator gives it: "
        f"`counterfoil access grant {person.email} {role}`."
    )
