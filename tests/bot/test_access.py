import pytest

from billing.models import Role
from bot import access
from bot.access import Action

AM, FIN, COMP, PRIV, ADMIN = (
    Role.ACCOUNT_MANAGER,
    Role.FINANCE,
    Role.COMPLIANCE,
    Role.PRIVILEGED,
    Role.ADMIN,
)
EVERYBODY = (AM, FIN, COMP, PRIV, ADMIN)
TABLE = {
    Action.SEE: ({AM, FIN, COMP, ADMIN}, {AM, FIN, COMP, ADMIN}),
    Action.SEE_WORDS: ({FIN, COMP, ADMIN}, {AM, FIN, COMP, ADMIN}),
    Action.PAUSE: ({FIN, ADMIN}, {AM, FIN, ADMIN}),
    Action.CLOSE_CASE: ({FIN, ADMIN}, {AM, FIN, ADMIN}),
    Action.DECIDE: ({FIN, ADMIN}, {FIN, ADMIN}),
    Action.REMIND: ({FIN, ADMIN}, {AM, FIN, ADMIN}),
    Action.ASSIGN_CASE: ({AM, FIN, ADMIN}, {AM, FIN, ADMIN}),
    Action.RESOLVE_DOUBT: ({FIN, ADMIN}, {FIN, ADMIN}),
    Action.MERGE: ({FIN, ADMIN}, {FIN, ADMIN}),
    Action.SEAL: (set(EVERYBODY), set(EVERYBODY)),
    Action.OVERRIDE: ({FIN, ADMIN}, {FIN, ADMIN}),
    Action.HANDLE: ({FIN, ADMIN}, {AM, FIN, ADMIN}),
    Action.WRITE: ({FIN, COMP, ADMIN}, {AM, FIN, COMP, ADMIN}),
    Action.TAKE: ({FIN, ADMIN}, {AM, FIN, ADMIN}),
    Action.HOLD: ({COMP, ADMIN}, {COMP, ADMIN}),
    Action.ERASE: ({COMP, ADMIN}, {COMP, ADMIN}),
    Action.ANSWER: ({COMP, ADMIN}, {COMP, ADMIN}),
    Action.WALL: ({COMP, ADMIN}, {COMP, ADMIN}),
    Action.COUNSEL: ({PRIV, COMP, ADMIN}, {PRIV, COMP, ADMIN}),
}
"""Who may do it for any client, and who for their own."""


@pytest.mark.parametrize("action", Action, ids=lambda action: action.name.lower())
def test_each_role_may_do_its_own_and_no_more(action: Action) -> None:
    anywhere, own = TABLE[action]
    may = {role for role in EVERYBODY if access.refusal({role}, action, owns=False) is None}
    may_own = {role for role in EVERYBODY if access.refusal({role}, action, owns=True) is None}
    assert (may, may_own) == (anywhere, own)


@pytest.mark.parametrize("action", Action, ids=lambda action: action.name.lower())
def test_nobody_has_a_right_without_a_role(action: Action) -> None:
    assert access.refusal(set(), action, owns=True) is not None


@pytest.mark.parametrize(
    ("roles", "action", "words"),
    [
        ({AM}, Action.RESOLVE_DOUBT, ("finance or admin", "grant a@b.c finance")),
        ({AM}, Action.PAUSE, ("being the client's account manager", "grant a@b.c finance")),
        (set(), Action.SEE, ("account manager", "grant a@b.c account_manager")),
    ],
    ids=["wrong role", "not their client", "no role"],
)
def test_a_refusal_says_who_may_and_what_to_run(
    roles: set[str], action: Action, words: tuple[str, ...]
) -> None:
    sentence = access.refusal(roles, action, owns=False, email="a@b.c")
    assert sentence is not None
    assert all(word in sentence for word in words)


def test_an_unknown_person_learns_how_they_are_linked() -> None:
    sentence = access.unknown_person("U0X")
    assert "U0X" in sentence
    assert "counterfoil access grant" in sentence


@pytest.mark.parametrize(
    ("seen", "word"),
    [({"guest": True}, "Guests"), ({"shared": True}, "another organisation"),
     ({"unseen": True}, "cannot see")],
    ids=["guest", "shared channel", "unseen channel"],
)  # fmt: skip
def test_nothing_is_said_where_others_listen(seen: dict[str, bool], word: str) -> None:
    assert word in (access.place_refusal(**seen) or "")


def test_an_internal_channel_is_fine() -> None:
    assert access.place_refusal() is None
