"""Is the one sentence that may be logged told, and never a word of what is sealed?"""

import pytest

from comms.compliance.labels import Label
from comms.compliance.material import Content
from comms.compliance.screening import screen


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
