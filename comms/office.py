"""What does everything in comms need at hand, besides the session it works in?"""

import datetime as dt
from dataclasses import dataclass

from billing.keyring import Keyring
from billing.policy import Policy


@dataclass(frozen=True, slots=True)
class Office:
    """The firm's decisions, its keys and this moment, frozen for one transaction.

    ``now`` is business time, ``wall`` the machine's; ``finance`` and ``clients`` are the Slack
    channels where finance is alerted and clients' threads are kept; ``mail_domain`` is where our
    Message-IDs live.
    """

    keyring: Keyring
    policy: Policy
    now: dt.datetime
    wall: dt.datetime
    finance: str
    clients: str
