"""Is the one sentence that may be logged told, and never a word of what is sealed?"""

import pytest

from comms.compliance.billing_facts import billing_fact
from comms.compliance.labels import Label
from comms.compliance.material import Content
from comms.compliance.screening import screen

FACTS = {
    "number": ("LAW-1013 is approved for payment. What now?", "LAW-1013 is approved for payment"),
    "two numbers": ("LAW-1013 and LAW-1014 are approved", "LAW-1013 and LAW-1014 are approved"),
    "by us": ("We have approved LAW-1013, as you said", "We have approved LAW-1013"),
    "by a team": ("AP has approved LAW-1013 for payment", "approved LAW-1013 for payment"),
    "heading": ("approved: LAW-1013", "approved: LAW-1013"),
    "payment of": ("I approve payment of LAW-1013.", "approve payment of LAW-1013"),
    "ok": ("ok to pay LAW-1013", "ok to pay LAW-1013"),
    "ask": ("please pay LAW-1013 today", "please pay LAW-1013 today"),
    "run": ("inv 4410 goes out in Friday's run.", "inv 4410 goes out in Friday's run"),
    "weekday": ("INV-614 will be paid Friday", "INV-614 will be paid Friday"),
    "bracket": ("I did pay INV-901 ($45 copay) at the desk.", "I did pay INV-901"),
    "receipt": ("Confirmed receipt of invoice 88.", "Confirmed receipt of invoice 88"),
    "signed off": ("invoice 88 is signed off", "invoice 88 is signed off"),
    "german": ("Rechnung 2031 ist freigegeben.", "Rechnung 2031 ist freigegeben"),
    "spanish": ("la factura 88 está pagada", "la factura 88 está pagada"),
    "french": ("La facture 88 est approuvée.", "La facture 88 est approuvée"),
    "denied": ("LAW-1013 is not approved for payment.", None),
    "asked": ("Is LAW-1013 approved for payment?", None),
    "conditional": ("If LAW-1013 is approved for payment we lose the claim", None),
    "refused": ("We can't pay INV-3390 before the 15th.", None),
    "forbidden": ("Do not pay LAW-1013.", None),
    "doubted": ("Should we pay invoice 88 or not?", None),
    "missing": ("we never received invoice 88", None),
    "a case": ("CV-20412 was settled. The judge approved CV-20413.", None),
    "a virus": ("COVID-19 is settled", None),
    "a name": ("retainer for-Anna-Bolt approved", None),
}


@pytest.mark.parametrize(("body", "fact"), FACTS.values(), ids=FACTS)
def test_a_fact_is_what_is_stated_of_a_bill(body: str, fact: str | None) -> None:
    """C-24."""
    assert billing_fact(Content(body, "client", "email"), []) == fact


@pytest.mark.parametrize(
    ("body", "fact"),
    [
        (
            "Counselor, our exposure is $200k. Also, invoice 5512 is approved for payment.",
            "invoice 5512 is approved for payment",
        ),
        (
            "The engagement letter is signed. If I plead guilty, do I lose my licence?",
            "The engagement letter is signed",
        ),
        (
            "Payment for INV-301 went out. My ex adopted the kids without notice. Is that valid?",
            "Payment for INV-301 went out",
        ),
        (
            "We paid invoice 88 for settling the Hartwell fraud claim. Can they sue us again?",
            "We paid invoice 88",
        ),
        (
            "Our lawyer advises us to settle. Approved for payment: retainer for-Anna-Bolt",
            "Approved for payment: retainer",
        ),
        (
            "Our lawyer advises us to settle. Invoice 88 is paid (Anna Bolt).",
            "Invoice 88 is paid",
        ),
        ("We received invoice 88 for the divorce. Can he take the kids to Poland?", None),
        ("Can they sue us again if we settle before the hearing?", None),
    ],
    ids=[
        "E138",
        "engagement",
        "payment",
        "cut before the matter",
        "a name for a number",
        "a name in brackets",
        "of the matter",
        "none",
    ],
)
def test_only_the_billing_fact_of_a_sealed_message_is_told(body: str, fact: str | None) -> None:
    """C-24."""
    screened = screen(Content(body, "client", "email"))
    assert screened.labels == (Label.PRIVILEGED,)
    assert screened.billing_fact == fact
