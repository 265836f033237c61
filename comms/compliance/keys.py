"""Which characters are a key by their very shape, whatever is said about them?"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from comms.compliance.patterns import Pattern
from comms.compliance.places import Place


@dataclass(frozen=True, slots=True)
class Search:
    """One way to look for secrets, and what a text must show for it to be gone.

    A cue may be only the words that begin what is looked for: many whole patterns in one set make
    its automaton slow.
    """

    cue: str
    find: Callable[[str], Iterator[Place]]


KEYS: Final = (
    # IAM User Guide, reference_identifiers: unique identifiers; Bedrock User Guide, api-keys
    r"\b(?:AKIA|ASIA|AROA|AGPA|AIDA|ABIA|ACCA|A3T[0-9A-Z])[0-9A-Z]{16}\b",
    r"\bABSK[0-9A-Za-z+/]{109,269}={0,2}",
    r"\bgh[pousr]_[0-9A-Za-z]{30,255}\b",
    r"\bgithub_pat_[0-9A-Za-z_]{22,255}\b",
    r"\bglpat-[0-9A-Za-z_\-]{20,40}",
    r"\bxox[abeoprs]-[0-9A-Za-z\-]{10,250}",
    r"\bxapp-\d-[0-9A-Za-z\-]{10,250}",
    r"https?://hooks\.slack\.com/(?:services|workflows)/[0-9A-Za-z/_+]{20,200}",
    r"\b(?:sk|rk)_(?:live|test|prod)_[0-9A-Za-z]{10,200}",
    r"\bwhsec_[0-9A-Za-z+/=]{16,200}",
    r"\bsk-(?:ant-|proj-|svcacct-)?[0-9A-Za-z_\-]{20,250}",
    r"\bAIza[0-9A-Za-z_\-]{35}",
    r"\bya29\.[0-9A-Za-z_\-]{20,250}",
    r"\bGOCSPX-[0-9A-Za-z_\-]{20,40}",
    # RFC 7519; one of the algorithm "none" has no third part
    r"\beyJ[0-9A-Za-z_\-]{8,}\.eyJ[0-9A-Za-z_\-]{8,}(?:\.[0-9A-Za-z_\-]*)?",
    r"\bSG\.[0-9A-Za-z_\-]{16,64}\.[0-9A-Za-z_\-]{16,100}",
    r"\bSK[0-9a-f]{32}\b",
    r"\bkey-[0-9a-f]{32}\b",
    r"\bnpm_[0-9A-Za-z]{36}\b",
    r"\bpypi-[0-9A-Za-z_\-]{50,300}",
    r"\b(?:shpat|shpss|shpca|shppa)_[0-9a-fA-F]{32}\b",
    r"\b(?:dop|doo|dor)_v1_[0-9a-f]{64}\b",
    r"\b(?:hf|api_org)_[0-9A-Za-z]{30,50}\b",
    r"\bsq0(?:atp|csp)-[0-9A-Za-z_\-]{22,60}",
    r"\bEAAA[0-9A-Za-z_\-]{40,120}",
    r"\bdckr_pat_[0-9A-Za-z_\-]{20,60}",
    r"\bAGE-SECRET-KEY-1[0-9A-Z]{50,70}\b",
    r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}\b",
    r"\bNRAK-[0-9A-Z]{27}\b",
    r"\b(?:AccountKey|SharedAccessKey)=[0-9A-Za-z+/=]{40,120}",
    r"\bgl(?:dt|rt|cbt|ptt|ft|imt|agent|oas|soat)-[0-9A-Za-z_\-]{20,60}",
    r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/[0-9]{15,20}/[0-9A-Za-z_\-]{60,80}",
    r"https://\w+\.webhook\.office\.com/webhookb2/[0-9A-Za-z@/\-]{60,250}",
    r"\bdapi[0-9a-f]{32}\b",
    r"\bATATT3[0-9A-Za-z_\-=]{100,250}",
    r"\blin_api_[0-9A-Za-z]{32,64}\b",
    r"\b(?:ntn_|secret_)[0-9A-Za-z]{40,60}\b",
    r"\bpat[0-9A-Za-z]{14}\.[0-9a-f]{64}\b",
    r"\bfigd_[0-9A-Za-z_\-]{30,60}",
    r"\bgl(?:sa|c)_[0-9A-Za-z_+/=]{32,200}",
    r"\bhv[sb]\.[0-9A-Za-z_\-]{24,250}",
    r"\b[0-9A-Za-z]{14}\.atlasv1\.[0-9A-Za-z_\-]{60,80}",
    r"\bpscale_(?:tkn|pw|oauth)_[0-9A-Za-z_\-.]{32,64}",
    r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[0-9A-Za-z_.\-]{40,80}",
    r"\bsntry[su]_[0-9A-Za-z_=+/\-]{40,250}",
    r"\bpul-[0-9a-f]{40}\b",
    r"\brubygems_[0-9a-f]{48}\b",
    r"\bHRKU-[0-9A-Za-z_\-]{36,60}",
    r"\bshippo_(?:live|test)_[0-9a-f]{40}\b",
    r"\bsb[pv]_[0-9a-f]{40}\b",
    r"\baccess_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}\b",
    r"\baccess-(?:production|development|sandbox)-[0-9a-f]{8}-[0-9a-f-]{27}\b",
    r"\bsl\.[0-9A-Za-z_\-]{130,160}\b",
    r"\b[sp]k\.eyJ[0-9A-Za-z_\-]{8,200}\.[0-9A-Za-z_\-]{16,60}",
    r"\bLTAI[0-9A-Za-z]{17,21}\b",
    r"\boy2[a-z0-9]{43}\b",
    r"\bCFPAT-[0-9A-Za-z_\-]{43}\b",
    r"\btfp_[0-9A-Za-z_\-.=]{40,80}",
    r"\b[0-9a-f]{32}-us[0-9]{1,2}\b",
    r"\b[0-9]{8,10}:AA[0-9A-Za-z_\-]{33}\b",
    r"\b[MNO][0-9A-Za-z_\-]{23,25}\.[0-9A-Za-z_\-]{6}\.[0-9A-Za-z_\-]{27,40}\b",
    r"[?&]sig=[0-9A-Za-z%+/]{30,120}",
    r"\b[0-9]{6}(?:-[0-9]{6}){7}\b",
    r"\bPuTTY-User-Key-File-[23]:",
    # support.1password.com/secret-key; developer.1password.com/docs/service-accounts
    r"\bA3-[0-9A-Z]{6}-(?:[0-9A-Z]{11}|[0-9A-Z]{6}-[0-9A-Z]{5})(?:-[0-9A-Z]{5}){3}\b",
    r"\bops_eyJ[0-9A-Za-z+/_\-]{80,}={0,3}",
    # developers.facebook.com, access tokens: a user's or page's, and an app's
    r"\bEAA[0-9A-Za-z]{90,300}\b",
    r"\b[0-9]{15,16}\|[0-9A-Za-z_\-]{27}\b",
    # tailscale.com/docs/reference/key-prefixes
    r"\btskey-(?:api|auth|client|scim|webhook)-[0-9A-Za-z\-]{16,100}",
    # after gitleaks' rules flyio, gitlab, jfrog, sonar, sourcegraph, intra42
    r"\bfm[12][ar]?_[0-9A-Za-z+/]{100,}={0,3}",
    r"\bfo1_[0-9A-Za-z_\-]{43}\b",
    r"\bGR1348941[0-9A-Za-z_\-]{20,60}",
    r"\bAKCp[0-9A-Za-z]{60,80}\b",
    r"\bsq[apu]_[0-9A-Za-z]{40}\b",
    r"\bsgp_(?:[0-9a-fA-F]{16}_|local_)?[0-9a-fA-F]{40}\b",
    r"\bs-s4t2(?:ud|af)-[0-9a-f]{64}\b",
    # after gitleaks' rules groq, dynatrace, easypost, sendinblue, cloudflare, adafruit, readme
    r"\bgsk_[0-9A-Za-z]{40,60}\b",
    r"\bxai-[0-9A-Za-z]{70,90}\b",
    r"\bdt0c01\.[0-9A-Z]{24}\.[0-9A-Z]{64}\b",
    r"\bEZ[AT]K[0-9A-Za-z]{54}\b",
    r"\bxkeysib-[0-9a-f]{64}-[0-9A-Za-z]{16}\b",
    r"\bv1\.0-[0-9a-f]{24}-[0-9a-f]{146}\b",
    r"\baio_[0-9A-Za-z]{28}\b",
    r"\brdme_[0-9a-z]{70}\b",
    r"\bFLWSECK(?:_TEST)?-[0-9A-Za-z]{12,60}",
)
"""Shapes that issuers gave their keys so that they can be found (after the public rules of
detect-secrets and gitleaks, and the issuers' own pages where one is named). Case matters."""

_KEY: Final = Pattern("|".join(f"(?:{one})" for one in KEYS), case=True)
_BLOCK: Final = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]"
    r"|-(?!----END)){0,20000}(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----)?"
)
_IN_URL: Final = Pattern(r"\b[a-z][a-z0-9+.\-]{1,20}://[^\s/:@]{0,80}:([^\s/@]{2,120})@")
_BEARER: Final = Pattern(r"\b(?:bearer|authorization:? ?basic) ([0-9A-Za-z._~+/-]{16,400}=*)")
# A client secret of Microsoft Entra: a digit and "Q~" after three signs, 40 signs or less
# (learn.microsoft.com/purview/sit-defn-azure-ad-client-secret; gitleaks' rule azure).
_ENTRA: Final = Pattern(
    r"(?<![0-9A-Za-z_~.])[0-9A-Za-z_~.]{3}[0-9]Q~[0-9A-Za-z_~.\-]{31,34}(?![0-9A-Za-z_~\-])",
    case=True,
)
# curl's manual: -u, --user <user:password>; -H, --header (a token may be either half of a user)
_CURL: Final = Pattern(
    r"\bcurl\b(?:[^\n]|\\\n){0,400}?\s(?:-u|--user)[\s=]{0,3}[\"']?[^\s:\"'<]{0,80}[\"']?:"
    r"[\"']?([^\s\"'<>]{3,120})"
    r"|\bcurl\b(?:[^\n]|\\\n){0,400}?\s(?:-u|--user)[\s=]{0,3}[\"']?([^\s:\"']{8,120}):[\"']?(?:\s|$)"
)
_HEADER: Final = Pattern(
    r"(?:\s|^)(?:-H|--header)\s{1,3}[\"'](?:(?:proxy-)?authorization"
    r"|(?:[a-z]{1,15}-){0,3}(?:key|token|api|auth|secret))\s?:\s{0,3}"
    r"(?:(?:basic|bearer|token|apikey)\s)?([^\s\"']{6,400})"
)
_PLACEHOLDER: Final = re.compile(
    r"[*x•.\-_#?]{3,}|<.*|\[.*|\$?\{.*|%\w+%|\$\(.*|\$[A-Za-z_]\w*|(?:your|my)[-_ ]?\w*"
    r"|redacted|hidden|secret"
    r"|password|pass|passwd|token|user|test|example|null|none|undefined|env\.\w+|process\.env.*|os\.environ.*|https?:.*",
    re.IGNORECASE,
)


def placeholder(value: str) -> bool:
    """Whether it stands for a secret without being one."""
    return _PLACEHOLDER.fullmatch(value) is not None


def _keys(text: str) -> Iterator[Place]:
    return (found.span() for found in _KEY.finditer(text))


def _blocks(text: str) -> Iterator[Place]:
    return (found.span() for found in _BLOCK.finditer(text))


def _bearers(text: str) -> Iterator[Place]:
    return (found.span(1) for found in _BEARER.finditer(text))


def _in_urls(text: str) -> Iterator[Place]:
    return (found.span(1) for found in _IN_URL.finditer(text) if not placeholder(found[1]))


def _entra(text: str) -> Iterator[Place]:
    return (found.span() for found in _ENTRA.finditer(text))


def _commanded(text: str) -> Iterator[Place]:
    """What a command to a server says who one is with."""
    for pattern in (_CURL, _HEADER):
        for found in pattern.finditer(text):
            place = found.span(found.lastindex or 0)
            if not placeholder(text[slice(*place)]):
                yield place


SEARCHES: Final[Mapping[str, Search]] = {
    "key": Search(_KEY.cue, _keys),
    "key_block": Search("PRIVATE KEY", _blocks),
    "bearer": Search(_BEARER.cue, _bearers),
    "in_url": Search(_IN_URL.cue, _in_urls),
    "entra": Search("[0-9]Q~", _entra),
    "commanded": Search(r"\bcurl\b|(?:\s|^)(?:-H|--header)\s", _commanded),
}
