from datetime import date
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import shipped
from comms.rendering import TemplateMistake, Templates
from comms.writing import segments
from comms.writing.template_lint import MESSAGES, lint, sample

OURS = Templates()
BOTH = [(name, channel) for name, declared in MESSAGES.items() for channel in declared.channels]


def operator(tmp_path: Path, name: str, source: str) -> Path:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    return tmp_path


def sms(tmp_path: Path, source: str, **context: object) -> str:
    folder = operator(tmp_path, "help_reply/sms.txt.j2", source)
    return Templates([folder]).render("help_reply", "sms", sample("help_reply") | context).text


def test_the_shipped_templates_have_no_mistake() -> None:
    assert lint(shipped.path("templates")) == []


@pytest.mark.parametrize(("message", "channel"), BOTH)
def test_every_message_renders_within_bounds(message: str, channel: str) -> None:
    got = OURS.render(message, channel, sample(message))
    assert got.text.strip()
    assert bool(got.subject) == bool(got.html) == (channel == "email")
    assert channel != "sms" or segments.count(got.text).parts <= 2


@pytest.mark.parametrize("message", ["first_reminder", "firmer_reminder"])
def test_a_reminder_says_the_same_in_text_and_html(message: str) -> None:
    got = OURS.render(message, "email", sample(message))
    for said in ("INV-3391", "INV-3402", "$12,480.00", "$12,790.00", "https://pay.example/i/7Kd92xQ",
                 "1 Example Row", "November 5, 2026"):  # fmt: skip
        assert said in got.text
        assert said in got.html


def test_one_invoice_is_named_in_the_subject() -> None:
    context = sample("first_reminder")
    invoices = cast("list[object]", context["invoices"])
    context["invoices"] = invoices[:1]
    assert "INV-3391" in OURS.render("first_reminder", "email", context).subject


def test_without_a_pay_link_there_is_no_button() -> None:
    got = OURS.render("first_reminder", "email", sample("first_reminder") | {"pay_link": ""})
    assert "href" not in got.html
    assert "Pay here" not in got.text


def test_a_client_reads_money_and_days_as_at_home() -> None:
    got = OURS.render(
        "receipt",
        "email",
        sample("receipt")
        | {"locale": "de_DE"}
        | {"payment": {"amount": 123450, "currency": "EUR", "received_on": date(2026, 11, 20),
                       "invoices": [], "remaining": 1}},
    )  # fmt: skip
    assert "1.234,50\u00a0€" in got.text
    assert "20. November 2026" in got.text


def test_the_operators_folder_is_asked_first(tmp_path: Path) -> None:
    assert sms(tmp_path, "{{ firm.name }} here", opt_out_notice="") == "Example & Partners here"


@pytest.mark.parametrize("source", ["Hello", "Hello\n{{ opt_out_notice }}"])
def test_the_opt_out_notice_is_there_exactly_once(tmp_path: Path, source: str) -> None:
    assert sms(tmp_path, source).count("Reply STOP to opt out.") == 1


def test_the_last_message_offers_no_second_opt_out() -> None:
    text = OURS.render("opt_out_confirmation", "sms", sample("opt_out_confirmation")).text
    assert "STOP" not in text


def test_curly_quotes_cost_nothing_where_they_would_cost_parts(tmp_path: Path) -> None:
    text = sms(tmp_path, "It\u2019s " + "a" * 130)
    assert segments.count(text).encoding is segments.Encoding.GSM7


@pytest.mark.parametrize(
    ("source", "said"),
    [
        pytest.param("{{ nobody }}", "nobody", id="unknown name"),
        pytest.param("\n\n{{ firm.matter }}", "line 3", id="unknown member"),
        pytest.param("{% if %}", "line 1", id="syntax"),
        pytest.param("{% include 'gone.j2' %}", "gone.j2 does not exist", id="missing"),
        pytest.param("{{ firm | money('USD') }}", "not of the kind", id="wrong kind"),
        pytest.param("{{ 5 | money('XXQ') }}", "not of the kind", id="no currency"),
        pytest.param("{{ ''.__class__.__mro__ }}", "unsafe", id="sandbox"),
        pytest.param("{{ firm.update({'name': 'x'}) }}", "unsafe", id="no writing"),
        pytest.param("{{ range(99999999) | list }}", "not of the kind|too big", id="range"),
        pytest.param("{{ opt_out_notice }} {{ opt_out_notice }}", "twice", id="two notices"),
        pytest.param("x" * 1601, "1600", id="too long"),
    ],
)
def test_a_mistake_names_its_place_and_reason(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(TemplateMistake, match=said) as caught:
        sms(tmp_path, source)
    assert caught.value.file == "help_reply/sms.txt.j2"
    assert caught.value.line >= 1


def test_an_error_never_repeats_the_clients_data(tmp_path: Path) -> None:
    with pytest.raises(TemplateMistake) as caught:
        sms(tmp_path, "{{ client.name | money('USD') }}", client={"name": "Secret Client"})
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize("message", ["../secrets", "First", "", "a/b"])
def test_a_message_name_is_no_path(message: str) -> None:
    with pytest.raises(TemplateMistake):
        OURS.render(message, "sms", {})


def test_a_subject_is_one_line_and_not_longer_than_200() -> None:
    context = sample("staff_text")
    got = OURS.render("staff_text", "email", context | {"subject": "Hi\r\nBcc: x@y.example"})
    assert got.subject == "Hi Bcc: x@y.example"
    with pytest.raises(TemplateMistake, match="200"):
        OURS.render("staff_text", "email", context | {"subject": "x" * 201})


@given(st.text(min_size=1), st.text(max_size=150))
def test_any_names_render_safely(name: str, subject: str) -> None:
    shown = cast("dict[str, object]", sample("staff_text")["firm"])
    firm = shown | {"name": name}
    context = sample("staff_text") | {"body": name, "subject": f"S{subject}", "firm": firm}
    got = OURS.render("staff_text", "email", context)
    assert len(got.subject.splitlines()) == 1
    assert "<script" not in got.html.lower()
    OURS.render("staff_text", "sms", context)


def test_markup_in_a_name_stays_text() -> None:
    context = sample("staff_text") | {"body": "<script>x</script>"}
    assert "&lt;script&gt;" in OURS.render("staff_text", "email", context).html


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Reply YES to renew", "YES"),
        ("Text us back with 'cancel' please", "CANCEL"),
        ("reply with END", "END"),
        ("Just type QUIT", "QUIT"),
        ("Reply STOP to opt out", "STOP"),
        ("send stop", "STOP"),
        ("Pay: https://bit.ly/x", "shorteners"),
        ("{{ firm.name | safe }}", "escaping"),
        ("{{ matter }}", "matter is not known"),
        ("{{ firm.matter }}", "firm has no matter"),
        ("{{ client.name }}", "not for SMS"),
        ("{% if %}", "Expected an expression"),
        ("x" * 500, "parts"),
    ],
)
def test_lint_finds(tmp_path: Path, source: str, said: str) -> None:
    mistakes = lint(operator(tmp_path, "help_reply/sms.txt.j2", source))
    assert said in " ".join(mistake.sentence for mistake in mistakes)
    assert {mistake.file for mistake in mistakes} == {"help_reply/sms.txt.j2"}


@pytest.mark.parametrize(
    "source",
    ["At the end of the month", "If you want to cancel, call us", "Reply PAID or DATE and a day",
     "We stop by on Monday", "{{ firm.name }}: {{ opt_out_notice }}"],
)  # fmt: skip
def test_lint_leaves_ordinary_words_alone(tmp_path: Path, source: str) -> None:
    assert lint(operator(tmp_path, "help_reply/sms.txt.j2", source)) == []


def test_lint_follows_a_loop_to_its_list(tmp_path: Path) -> None:
    source = "{% for i in invoices %}{{ i.number }} {{ i.matter }}{{ i.disputed }}{% endfor %}"
    mistakes = lint(operator(tmp_path, "first_reminder/sms.txt.j2", source))
    assert ["has no matter" in m.sentence or "not for SMS" in m.sentence for m in mistakes] == [
        True,
        True,
    ]


def test_lint_names_a_folder_that_is_no_message(tmp_path: Path) -> None:
    mistakes = lint(operator(tmp_path, "frist_reminder/sms.txt.j2", "x"))
    assert "no message frist_reminder" in mistakes[0].sentence
