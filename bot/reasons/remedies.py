"""What would have to change for a rule to say otherwise? One sentence a rule."""

_FREES = {
    "not_live": "`counterfoil golive` opens the door to clients.",
    "daily_cap": "Tomorrow has a cap of its own; `counterfoil golive --daily-cap N` raises it.",
    "too_late": "Nothing: its time has passed.",
    "no_address": "The client gets an address for this channel, from the next import for one.",
    "address_unverified": (
        "They answer from there as themselves, or agree: START, or a form. Mail is used meanwhile."
    ),
    "address_unproven": (
        "They agree to texts, or answer one, from that number; mail is used meanwhile."
    ),
    "address_wrong": "The client gets another address.",
    "address_reassigned": "The client gets another address.",
    "address_dead": "The client gets an address at which messages arrive.",
    "legal_bankruptcy": "The case is closed and somebody lifts it: `counterfoil legal-state lift`.",
    "legal_cease": (
        "They ask to hear from us again and somebody lifts it: `counterfoil legal-state lift`; one "
        "final notice may be approved: `counterfoil legal-state notice`."
    ),
    "legal_represented": (
        "Counsel is written to; or it ends and somebody lifts it: `counterfoil legal-state lift`."
    ),
    "legal_deceased": "A person decides; if it was a mistake: `counterfoil legal-state lift`.",
    "channel_not_preferred": "They ask for this channel again; the other one is used meanwhile.",
    "confirmation_skipped_late": "Nothing: its time has passed.",
    "opted_out": "The person themselves opts in again, with START; nobody can do it for them.",
    "no_sms_consent": (
        "The person agrees to text messages: START, or `sms_consent` in the next import; or the "
        'policy says sms_basis = "provided_number".'
    ),
    "no_marketing_consent": "The person agrees to offers, and `consent_stated` tells us so.",
    "not_warned": (
        "They are told that it is not encrypted and still want it: `counterfoil unencrypted`."
    ),
    "agreement_missing": (
        "The agreement is signed and put on record in COUNTERFOIL_PROCESSORS_FILE; `counterfoil "
        "processors` shows what is missing."
    ),
    "paid": "Nothing: what it asks for is settled.",
    "overdue": (
        "What is overdue is paid; the payment frees it at once. `counterfoil override` lets it "
        "pass until a day."
    ),
    "still_open": "Everything that is open is paid.",
    "offered_lately": "Only time: the offer may come again after the days that the policy says.",
    "offer_waiting": "The offer that waits leaves, or is dropped.",
    "other_audience": "Nothing: the offer is for others.",
    "other_currency": "The policy names a discount in their currency.",
    "gate_override": "The override ends, or `counterfoil override --end` takes it back.",
    "renewals_disabled": "The policy lets this firm, or this legal entity, renew again.",
    "last_notice_in_vain": "The client gets an address at which messages arrive; a person is told.",
    "held": "The hold ends, or somebody releases it.",
    "reply": "Somebody reads what they wrote and says so: `counterfoil handled CLIENT`.",
    "paused": "The pause ends, or somebody resumes the client.",
    "disputed": "The dispute is settled.",
    "promised": "The promised day passes without the money.",
    "in_flight": "The payment that is under way arrives or fails.",
    "in_credit": "The money on account is used up.",
    "within_tolerance": "More becomes overdue, or the tolerance in the policy is lowered.",
    "below_minimum": "More becomes overdue, or the minimum in the policy is lowered.",
    "not_overdue": "An instalment becomes overdue; that needs only time.",
    "nothing_open": "A new invoice is issued.",
    "cured": "A new invoice becomes overdue.",
    "step_not_due": "Only time: the day of the next step comes.",
    "excluded": "The ladder of the invoice, the client or its segment is another one.",
    "ladder_ending": "Only time: the owner is told when the last reminder has had its days.",
    "unresolved_duplicate": (
        "Somebody says whether they are the same: `counterfoil merge` or `counterfoil different`."
    ),
    "charge_under_way": "The charge that is under way succeeds or fails.",
    "nothing_failed": "A charge fails.",
    "recovered": "Nothing: it is paid.",
    "hard_decline": "The client gives another card; this one is not tried again.",
    "retries_over": "The client pays, or gives another card; it is not tried again by itself.",
    "erased": "Nothing: the client was erased.",
    "step_queued": "The step that is in the outbox leaves, or is refused.",
    "escalated": "The owner settles it: a payment, a pause, or the case closed.",
    "all_steps_taken": "A person decides; the ladder is at its end.",
    "undeliverable": "The client gets an address at which messages arrive; a person has it now.",
    "escalation_due": "A person has it now.",
    "renewal_date_passed": "A new renewal date; no notice goes out for one that has passed.",
    "renewed": "Nothing: it is renewed.",
    "lapsed": "A new agreement.",
    "cancelled": "A new agreement.",
    "budget_day": "Only time: 24 hours pass since the last message that counts.",
    "budget_week": "Only time: seven days pass since the first message that counts.",
    "loop_brake": "Only time: 24 hours pass without so many automatic messages.",
    "quiet_hours": "Only time: the next hour at which the person may be disturbed.",
    "legal_hours": "Only time: the next hour at which the law lets us disturb them.",
    "preferred_hours": "Only time: the next hour at which they want to hear from us.",
    "legal_cap": "Only time: fewer texts and calls lie within the days that the law counts.",
    "content_numbers": "It is written again without the number; a pay link is the safe way.",
    "content_sealed": "Somebody with the role reads it and lets it go, or it is written otherwise.",
    "content_untold": "Compliance lets it go, once, or it is written otherwise.",
    "content_refused": "It is written otherwise.",
    "disclosure": (
        "The template, or the name in it, says less: `counterfoil policy check` says where; the "
        "other channel is used meanwhile, where it may say more."
    ),
    "complaints": "Only time: the days pass in which too many called an offer spam.",
    "sms_unregistered": "The number is registered with the carriers, and `import --firm` says so.",
    "never_open": "The hours in the policy leave one for this person.",
    "sender_incomplete": "The legal entity gets what it lacks: `counterfoil import --firm`.",
    "template": "The template is corrected; `counterfoil policy check` says where.",
    "thread_pending": "Only time: the card's thread begins.",
    "throttled": "Only time: the provider takes messages again.",
    "retry": "Only time: the next try.",
    "in_doubt": "Evidence that it went, or a person who says whether it did.",
    "nothing_sent": "The first step leaves; only what was sent can be sent once more.",
    "superseded": "Nothing: a later message took its place.",
    "error": "A fault of ours is put right; the log of that moment names it.",
}

PASSES = frozenset(
    {
        *("all_places_pass", "content_released", "step_due", "due_soon", "imported", "repeated"),
        *("retry_due", "new_card"),
    }
)
"""Rules that let something go, or take it as done: there is nothing to change."""


def remedy(rule: str) -> str:
    """The sentence for a rule; nothing for one that lets things pass."""
    return _FREES.get(rule, "")
