"""Do the words of a client read like orders to a machine? They are marked, and never followed.

Nothing here obeys what a client writes, so this only tells the people who read it (prompt
injection, hidden instructions, commands to the books).
"""

import re2

_ORDERS = re2.compile(
    r"(?i)\b(?:ignore|disregard|forget|override|bypass)\s+(?:\w+\s+){0,3}"
    r"(?:previous|prior|above|earlier|your|all|system|safety)\s+(?:\w+\s+){0,2}"
    r"(?:instructions?|rules?|prompts?|polic(?:y|ies)|guidelines?|messages?)\b"
    r"|\b(?:system prompt|jailbreak|developer mode|prompt injection)\b"
    r"|\byou are (?:now |no longer )?(?:an? )?(?:ai|assistant|chatbot|language model|dan)\b"
    r"|(?:^|[\s<\[|#])(?:system|assistant)\s*(?:note\s*)?(?::|\]|>|\|>)"
    r"|\b(?:mark|set|flag|record|book|change|update)\s+(?:the\s+|this\s+|my\s+|our\s+|all\s+)?"
    r"(?:invoices?|accounts?|balance|bill|status|debt)\b[^.?!\n]{0,60}"
    r"\b(?:as\s+|to\s+)(?:paid|settled|closed|zero|0|void|cleared|written off)\b"
    r"|\b(?:delete|drop|truncate)\s+(?:table|all records|the database|from\s+\w+)\b"
    r"|\b(?:call|invoke|execute|run)\s+(?:the\s+)?(?:function|tool|command)\b"
)
_LONGEST = 20_000
NOTE = "reads like orders to a machine; nothing follows them"


def noted(text: str) -> str:
    """What staff read beside such words; nothing where there are none."""
    return NOTE if _ORDERS.search(text[:_LONGEST]) else ""
