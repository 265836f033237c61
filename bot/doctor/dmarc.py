"""What do receivers do with mail in our name that is not ours (RFC 7489)?"""

from collections.abc import Sequence

from bot.doctor.dkim import tags
from bot.doctor.finding import Finding, ok, warning, wrong
from bot.doctor.names import Names

_POLICIES = ("none", "quarantine", "reject")


async def look(names: Names, domain: str) -> tuple[str, list[str]]:
    """Where the record that counts is, and what is there: at the domain, or at one above it.

    Raises:
        Unreachable: the DNS did not answer.
    """
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        place = ".".join(labels[start:])
        if found := of(await names.texts(f"_dmarc.{place}")):
            return place, found
    return domain, []


def of(texts: Sequence[str]) -> list[str]:
    """Those of the records that are DMARC."""
    return [one for one in texts if one.replace(" ", "").upper().startswith("V=DMARC1")]


def judge_dmarc(
    domain: str, place: str, records: Sequence[str], *, spf: bool, dkim: bool
) -> Finding:
    """The record, against what authenticates our mail.

    Our mails carry the same domain in From and MAIL FROM and are signed with the key of that
    domain, so whichever of the two there is, it is aligned, strictly as well.
    """
    what = f"dmarc {domain}"
    if not records:
        said = f"{domain} has no DMARC record; Gmail and Yahoo ask for one."
        advice = f"Add a TXT record at _dmarc.{domain}: v=DMARC1; p=none; rua=mailto:you@{domain}"
        return wrong(what, said, advice)
    if len(records) > 1:
        said = f"There are {len(records)} DMARC records at _dmarc.{place}; receivers go by none."
        return wrong(what, said, "Leave one.")
    given = tags(records[0])
    policy = given.get("p", "").lower()
    policy = given.get("sp", policy).lower() if place != domain else policy
    if policy not in _POLICIES:
        said = f"The DMARC record at _dmarc.{place} has no policy that is one (p={policy or '?'})."
        return wrong(what, said, "Let it say p=none, p=quarantine or p=reject.")
    if not (spf or dkim):
        said = "Neither SPF nor DKIM lets our mail pass DMARC"
        said += f", and it says {policy}." if policy != "none" else "."
        return wrong(what, said, "Put SPF or DKIM right first.")
    return _judge_policy(what, policy, given.get("pct", "100"))


def _judge_policy(what: str, policy: str, pct: str) -> Finding:
    if policy == "none":
        said = "DMARC is there, and asks nobody to refuse mail that only pretends to be yours."
        return warning(what, said, "Read the reports for some weeks, then say p=quarantine.")
    if pct != "100":
        said = f"DMARC holds for {pct} % of mail alone."
        return warning(what, said, "Take pct= out when the reports are good.")
    return ok(what, f"Receivers {policy} mail that only pretends to be yours.")
