"""A workspace of two people, its channels, and what is posted and opened in it."""

from typing import Any

SECRET = "signing-secret"
TOKEN = "xoxb-sandbox"
ADA, BOB = "U0ADA", "U0BOB"
OPEN, OTHER, SHARED = "C0OPEN", "C0OTHER", "C0SHARED"
BUTTONS: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Invoice *INV-7*"}},
    {
        "type": "actions",
        "block_id": "row",
        "elements": [
            {
                "type": "button",
                "action_id": "pause",
                "value": "7",
                "text": {"type": "plain_text", "text": "Pause 7 days"},
            },
            {
                "type": "static_select",
                "action_id": "why",
                "options": [
                    {"text": {"type": "plain_text", "text": "Dispute"}, "value": "dispute"}
                ],
            },
        ],
    },
]
MODAL: dict[str, Any] = {
    "type": "modal",
    "callback_id": "pause",
    "title": {"type": "plain_text", "text": "Pause"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "reason",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        },
        {
            "type": "input",
            "block_id": "until",
            "optional": True,
            "label": {"type": "plain_text", "text": "Until"},
            "element": {"type": "datepicker", "action_id": "day"},
        },
    ],
}


def section(text: str, **extra: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **extra}
