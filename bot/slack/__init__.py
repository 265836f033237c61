"""What do staff see and do in Slack?"""

from typing import Final

EVENT_TYPE: Final = "counterfoil"
"""What our messages are called in their metadata; the manifest asks Slack to tell us of these."""
