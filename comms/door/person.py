"""May this person be written to at all, and at this address?"""

import datetime as dt
from collections.abc import Iterator

from billing import packs, rules, spelling
from billing.models import Health, LegalKind, Verification
from billing.policy import Policy
from comms.compliance import disclosure
from comms.consent import Consent, Standing, topic_of
from comms.door.case import Case, Finding, Verdict
from comms.models import Purpose

CLAIMED = (Verification.VERIFIED, Verification.ASSERTED)
"""Somebody has said whose address it is."""
_LEGAL = {
    LegalKind.BANKRUPTCY: ("They are in bankruptcy", "us_stay"),
    LegalKind.DECEASED: ("They have died; a person decides what follows", ""),
    LegalKind.REPRESENTED: (
        "They are represented by counsel, who may be written to",
        "us_represented",
    ),
    LegalKind.CEASE: ("They asked in writing that we stop", "us_cease"),
}
"""In the order in which they decide."""


def identity(case: Case, policy: Policy) -> Iterator[Finding]:
    """Somebody has said whose address it is, and nobody that it is another's.

    An answer tells no amount and no reason, so it goes also where nobody knows who asks.
    """
    to = case.recipient
    if to is None:
        reason = f"There is no {case.channel} address to write to."
        yield Finding("identity", Verdict.WITHHOLD, "no_address", reason)
    elif case.purpose == Purpose.ANSWER and to.verification == Verification.UNVERIFIED:
        return
    elif to.verification not in CLAIMED:
        reason = f"The {case.channel} address is {to.verification}; nobody has said it is theirs."
        yield Finding("identity", Verdict.WITHHOLD, f"address_{to.verification}", reason)
    elif not proven(to.kind, to.verification, to.consent, policy.packs(case.entity)):
        reason = f"{disclosure.proof(policy.packs(case.entity))[1].cited}."
        yield Finding("identity", Verdict.WITHHOLD, "address_unproven", reason)


def proven(kind: str, verification: str, held: Consent, packs: tuple[str, ...]) -> bool:
    """Whether we are as sure of whose phone it is as these packs ask; a yes from there is proof."""
    if kind != "sms" or disclosure.proof(packs)[0] == Verification.ASSERTED:
        return True
    return verification == Verification.VERIFIED or held.standing is Standing.GRANTED


def permitted(kind: str, held: Consent, policy: Policy) -> bool:
    """What the person, or the firm on day one, has agreed to."""
    if held.standing is Standing.REVOKED:
        return False
    provided = policy.consent.sms_basis == "provided_number"
    return kind != "sms" or provided or held.standing is not Standing.UNKNOWN


def legal(case: Case, _policy: Policy) -> Iterator[Finding]:
    """The law, or a lawyer, does not stand between us."""
    stops = {one.kind: one for one in case.legal if not one.spared}
    for kind in _LEGAL:
        if kind in stops:
            rule, reason = legal_reason(kind, stops[kind].since)
            yield Finding("legal", Verdict.WITHHOLD, rule, reason)


def legal_reason(kind: LegalKind, since: dt.datetime) -> tuple[str, str]:
    """The rule of a legal state, and its sentence."""
    what, rule = _LEGAL[kind]
    source = f" {rules.named(rule).cited}." if rule else ""
    return f"legal_{kind}", f"{what}, since {spelling.day(since)}.{source}"


def consent(case: Case, policy: Policy) -> Iterator[Finding]:
    """They agreed where agreement is needed, nobody said no, and it is a way that they prefer.

    Who asks that we cease says no as well; the one notice that compliance approved may follow.
    """
    if case.recipient is None or any(
        one.kind is LegalKind.CEASE and one.spared for one in case.legal
    ):
        return
    held = case.recipient.consent.about(topic_of(case.purpose))
    answering = case.purpose == Purpose.ANSWER
    if held.standing is Standing.REVOKED:
        when = f" on {spelling.day(held.since)}" if held.since else ""
        reason = f"They asked us to stop{when} ({held.method or 'unstated'})."
        yield Finding("consent", Verdict.WITHHOLD, "opted_out", reason)
    elif not answering and not permitted(case.channel, held, policy):
        reason = "Nobody has agreed to text messages at this number."
        yield Finding("consent", Verdict.WITHHOLD, "no_sms_consent", reason)
    elif case.purpose == Purpose.OFFER and held.standing is not Standing.GRANTED:
        yield from _marketing(case, policy)
    yield from warned(case, policy)
    if not answering:
        yield from _preferred(case)


def _marketing(case: Case, policy: Policy) -> Iterator[Finding]:
    kinds = policy.packs(case.entity)
    if packs.terms(kinds).marketing_consent:
        cited = packs.setting(kinds, "marketing_consent").cited
        reason = f"They have not agreed to offers by {case.channel}. {cited}."
        yield Finding("consent", Verdict.WITHHOLD, "no_marketing_consent", reason)


def warned(case: Case, policy: Policy) -> Iterator[Finding]:
    """What a person typed goes where it is not encrypted only if they know that and want it."""
    kinds = policy.packs(case.entity)
    typed = case.written_by_person and case.recipient is not None
    if not typed or not packs.terms(kinds).warned_first:
        return
    if case.recipient is not None and not case.recipient.consent.warned:
        reason = (
            f"Nobody has put on record that they want such words by {case.channel} although it is "
            f"not encrypted; ask them, then `counterfoil unencrypted`. "
            f"{packs.setting(kinds, 'warned_first').cited}."
        )
        yield Finding("consent", Verdict.WITHHOLD, "not_warned", reason)


def _preferred(case: Case) -> Iterator[Finding]:
    """What they ask for of one way says nothing of another."""
    for wish in case.recipient.preferences if case.recipient else ():
        if wish.channels and case.channel not in wish.channels:
            reason = f"They want to hear from us {wish.said}."
            yield Finding("consent", Verdict.WITHHOLD, "channel_not_preferred", reason)
            return


def health(case: Case, _policy: Policy) -> Iterator[Finding]:
    """Messages arrive there."""
    if case.recipient is not None and case.recipient.health == Health.DEAD:
        reason = f"Messages to this {case.channel} address do not arrive."
        yield Finding("health", Verdict.WITHHOLD, "address_dead", reason)
