"""Which numbers and secrets could a text hold at all?

One pass of RE2 over the text; a detector runs only where its cue is there. A cue says too much
rather than too little: whatever a detector finds must show its cue.
"""

from typing import Final

from comms.compliance.numbers import IBAN_LENGTHS
from comms.compliance.patterns import Which

_SPOKEN: Final = (
    r"\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|cero|uno|dos|tres|null|eins|zwei"
    r"|drei|z[eé]ro|un|deux|trois)[\s,.\-]{1,3}(?:double |triple |treble )?"
    r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple|cero|uno|dos|tres"
    r"|cuatro|cinco|null|eins|zwei|drei|vier|f[uü]nf|z[eé]ro|un|deux|trois|quatre|cinq)\b"
)
_SEPARATED: Final = r"""[\s.\-/,|_*·•:;>()\[\]'"+~=]{0,4}"""
_STEP: Final = r"[\s.\-_/>]{0,4}"
_COUNTRIES: Final = "|".join(IBAN_LENGTHS)

cues: Final = Which(
    {
        "long_number": rf"[0-9OoIl|SB](?:{_SEPARATED}[0-9OoIl|SB]){{11}}",
        "broken_number": r"[0-9]\W{1,3}(?:and|then|the|rest|next|last|dash|hyphen|space|followed"
        r"|ends?|ending|plus|y|und|et|dann|luego|puis|that|with)\b",
        "spoken": _SPOKEN,
        "code_named": r"\b(?:cvv|cvc|cvn|cv2|cav2|csc|cid|card code|security|sec code|verification"
        r"|cryptogramme|pr(?:ü|ue)f|kartenpr|digits?|codice)"
        r"|on the (?:back|front|reverse)|\b(?:code|c[óo]digo|kod)\b",
        "iban": rf"(?:{_COUNTRIES})[\s.\-_]?[0-9]{{2}}{_STEP}[0-9a-z]{{1,4}}{_STEP}[0-9a-z]{{0,4}}"
        rf"{_STEP}[0-9]{{2,4}}{_STEP}[0-9]{{2}}",
        "account": r"\b(?:accounts?|acct|acc|a/c|konto\w*|kto|cuenta|compte|conto|rekening\w*"
        r"|routing|aba|rtn|transit|r/t|fedwire|bsb|blz|bankleitzahl|clabe|ifsc|checking|savings|ch[ae]quing|deposit|wire"
        r"|sort[ -]?code)\b",
        "six_digits": r"[0-9](?:[ -]?[0-9]){5}",
        "sort_code": r"[0-9]{2}-[0-9]{2}-[0-9]{2}[^-0-9]|[0-9]{9}[\s/|,:⑆⑈-]{1,6}[0-9]{6}",
        "pay_to": r"(?:to|into)\s[0-9]{7}",
        "social": r"[0-9]{3}[\s.\-_/]{1,4}[0-9]{2}[\s.\-_/]{1,4}[0-9]{4}",
        "social_word": r"\bssns?\b|social|s\.s\.n|\bsoc\b|\bi?tin\b|\bss ?#|\bss n|tax ?id|taxpayer"
        r"|sozialvers",
        "date": r"[0-9]\s?[./-]\s?[0-9]{1,2}\s?[./-]|[0-9]{8}"
        r"|[0-9](?:st|nd|rd|th|\.)?[\s-](?:of |de |den )?[a-zéûä]{3,12}\.?,?[\s-]"
        r"(?:of |de |del )?'?[0-9]{2}"
        r"|[a-zéûä]{3,12}[\s-][0-9]{1,2}(?:st|nd|rd|th)?,?[\s-]{1,2}'?[0-9]{2}",
        "born": r"\bd\.?o\.?b|birth|b-?day|\bborn\b|\bgeb|née? le|nacid|nacim|naissance"
        r"|\bnat[oa] il|nascita|nasciment|geboorte",
        "secret_word": r"pass|pwd|\bpw|secret|key|token|login|log-in|log in|log on|logon|sign in"
        r"|wi-?fi|vpn|\bftp\b"
        r"|creds|credential|username|\buser\b|\baccess\b|answer|maiden|phrase|psk|kennwort|contrase|clave"
        r"|\bmdp\b|senha|parola|wachtwoord|safe word|magic word|(?:opens?|unlocks?|decrypts?"
        r"|encrypted|protected|locked) with|(?:wi-?fi|network) (?:key|code)|recovery (?:code|key)",
        "pin": r"\bpin\b|\bpin'|\bcode\b|\bcodes\b|combo|combination|\botp\b|2fa|\bmfa\b"
        r"|geheimzahl|unlock"
        r"|c[óo]digo|t[üu]rcode|passcode|one[- ]time",
        "key": r"AKIA|ASIA|AROA|AGPA|AIDA|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|xapp-"
        r"|hooks\.slack\.com|\b[sr]k_(?:live|test)|whsec_|\bsk-|AIza|ya29\.|GOCSPX|eyJ|\bSG\."
        r"|\bSK[0-9a-f]{8}|\bkey-|npm_|pypi-|shp(?:at|ss|ca|pa)_|\bdo[opr]_v1|\bhf_|sq0|EAAA"
        r"|dckr_pat|AGE-SECRET|PMAK-|NRAK-|AccountKey|PRIVATE KEY|\bbearer |://[^\s/:@]{0,80}:",
    }
)
CARDS: Final = frozenset({"long_number", "broken_number", "spoken"})
ACCOUNTS: Final = frozenset({"account", "sort_code", "pay_to"})
SECRETS: Final = frozenset({"secret_word", "pin", "key"})
