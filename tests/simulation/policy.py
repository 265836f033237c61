"""By which policy does the firm of every story go at first?"""

from billing import shipped

OFFERS = """
[[offers]]
name = "once more"
trigger = "renewed"
delay_days = 5
template = "offer"
channels = ["email", "sms"]
expires_days = 20
every_days = 4

[[offers]]
name = "next year"
trigger = "paid"
delay_days = 1
template = "next_engagement"
channels = ["email", "sms"]
discount_percent = "10"
code = "Care-Again"
expires_days = 20
every_days = 6
"""
"""Of what the shipped policy has none: whoever has paid, or renewed, is offered something."""


def first() -> str:
    """The shipped policy, and an offer."""
    text = shipped.path("policy.toml").read_text()
    assert text.count("\noffers = []\n") == 1
    return text.replace("\noffers = []\n", "\n") + OFFERS
