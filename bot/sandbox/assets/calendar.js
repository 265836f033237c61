// What comes, day by day? One preview from the server, drawn as weeks and as an agenda; choosing a
// client, a kind or a day only hides what was not asked for.

import { h, patch } from "./dom.js";

const $ = (id) => document.getElementById(id);
const KINDS = { message: "Goes", hold: "Held", escalation: "To owners", refusal: "Never goes" };
const SHOWN = 4; // lines in a day of the sheet; the agenda has them all
const MOST = 400;
const s = { told: null, client: "", kinds: new Set(Object.keys(KINDS)), day: null, days: 28, busy: false, seen: null };

const DAY = 86_400_000;
const at = (day) => new Date(`${day}T00:00:00Z`);
const iso = (date) => date.toISOString().slice(0, 10);
const shaped = (shape) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...shape });
const LONG = shaped({ weekday: "long", day: "numeric", month: "long" });
const SHORT = shaped({ day: "numeric", month: "short" });
const NUMBER = shaped({ day: "numeric" });
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const count = (many, one, more) => `${many} ${many === 1 ? one : more}`;

// ── what came in ──────────────────────────────────────────────────────────────────────────────

async function look() {
  if (s.busy) return;
  s.busy = true;
  $("news").textContent = "Looking ahead.";
  $("weeks").setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(`/api/calendar?days=${s.days}`);
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    s.told = told;
    s.seen = told.revision;
    if (s.client && !told.clients.includes(s.client)) s.client = "";
    draw();
    $("news").textContent = count(shown().length, "entry", "entries");
  } catch (trouble) {
    strip("is-closed", trouble.message || "The sandbox does not answer. Is it still running in the terminal?");
  } finally {
    s.busy = false;
    $("weeks").removeAttribute("aria-busy");
    document.body.classList.add("ready");
  }
}

/** Days do not change under the reader's eyes: the page says that they would, and looks when asked. */
function listen() {
  const events = new EventSource("/api/events");
  events.onmessage = (event) => {
    if (s.seen === null || JSON.parse(event.data).revision === s.seen) return;
    strip("is-closed", "Something has happened since this was drawn. ", h("button", { class: "why-link", type: "button", onclick: look }, "Look again"));
  };
}

function strip(kind, ...words) {
  $("strip").hidden = false;
  $("strip").className = `strip ${kind}`;
  patch($("strip"), words);
}

// ── drawing ───────────────────────────────────────────────────────────────────────────────────

const shown = () => s.told.entries.filter((one) => s.kinds.has(one.what) && (!s.client || one.client === s.client));

function draw() {
  const { told } = s;
  const totals = told.totals;
  $("from-to").textContent = `${LONG.format(at(told.from))} to ${LONG.format(at(told.until))} ${told.until.slice(0, 4)}`;
  $("back").setAttribute("href", s.client ? `/#client=${encodeURIComponent(s.client)}` : "/");
  if (told.live) strip("is-open", `${count(totals.messages, "message goes", "messages go")}, ${count(totals.holds, "hold begins", "holds begin")}, ${count(totals.escalations, "case goes", "cases go")} to an owner; ${totals.standing} held now.`);
  else strip("is-closed", "The door is closed, so nothing goes now. This is what comes once it is open.");
  patch($("client"), [h("option", { key: "", value: "" }, "Everybody"), ...told.clients.map((name) => h("option", { key: name, value: name }, name))]);
  $("client").value = s.client;
  patch($("kinds"), Object.entries(KINDS).map(([kind, name]) => h("button", {
    key: kind, type: "button", class: "chip", "aria-pressed": String(s.kinds.has(kind)), onclick: () => toggle(kind),
  }, h("span", { class: `dot ${kind}`, "aria-hidden": "true" }), name)));
  const entries = shown();
  patch($("weeks"), weeks(entries));
  agenda(entries);
  $("assumed").textContent = told.assumed;
}

function toggle(kind) {
  s.kinds.has(kind) ? s.kinds.delete(kind) : s.kinds.add(kind);
  draw();
}

function choose(day) {
  s.day = s.day === day ? null : day;
  draw();
  if (matchMedia("(max-width: 819px)").matches) $("agenda").scrollIntoView({ block: "start" });
}

function weeks(entries) {
  const first = at(s.told.from);
  const monday = new Date(first - ((first.getUTCDay() + 6) % 7) * DAY);
  const rows = [];
  for (let week = monday; week <= at(s.told.until); week = new Date(+week + 7 * DAY))
    rows.push([...Array(7).keys()].map((place) => iso(new Date(+week + place * DAY))));
  const by = Map.groupBy(entries, (one) => one.day);
  return h("table", null,
    h("caption", { class: "hush" }, "What comes on each day"),
    h("thead", null, h("tr", null, WEEKDAYS.map((name) => h("th", { key: name, scope: "col" }, h("abbr", { title: name }, name.slice(0, 3)))))),
    h("tbody", null, rows.map((days) => h("tr", { key: days[0] }, days.map((day, place) => cell(day, place, by.get(day) ?? []))))));
}

function cell(day, place, entries) {
  const off = day < s.told.from || day > s.told.until;
  const date = NUMBER.format(at(day)) === "1" || day === s.told.from ? SHORT.format(at(day)) : NUMBER.format(at(day));
  const classes = [off && "off", place > 4 && "rest", day === s.told.from && "today", day === s.day && "chosen"].filter(Boolean).join(" ");
  if (off || !entries.length) return h("td", { key: day, class: classes }, h("div", { class: "date" }, h("strong", null, date)));
  const more = entries.length - SHOWN;
  return h("td", { key: day, class: classes },
    h("button", { class: "date", type: "button", "aria-pressed": String(day === s.day), "aria-label": `${LONG.format(at(day))}: ${counted(entries)}`, onclick: () => choose(day) },
      h("strong", null, date), h("span", { "aria-hidden": "true" }, entries.length)),
    h("div", { class: "lines", "aria-hidden": "true", onclick: () => choose(day) },
      entries.slice(0, SHOWN).map((one, at_) => h("div", { key: at_, class: `line-of ${one.what}`, title: `${one.client}: ${one.title}` },
        h("span", { class: "dot" }), h("span", null, `${one.time} ${one.client}`))),
      more > 0 && h("span", { class: "more-of" }, `${more} more`)));
}

function counted(entries) {
  const by = Map.groupBy(entries, (one) => one.what);
  return Object.entries(KINDS).filter(([kind]) => by.has(kind)).map(([kind, name]) => `${name} ${by.get(kind).length}`).join(", ");
}

function agenda(entries) {
  const wanted = s.day ? entries.filter((one) => one.day === s.day) : entries;
  $("agenda-title").textContent = s.day ? LONG.format(at(s.day)) : "Agenda";
  $("agenda-sub").textContent = [s.client, count(wanted.length, "entry", "entries")].filter(Boolean).join(", ");
  $("all-days").hidden = !s.day;
  let last = null;
  const rows = wanted.slice(0, MOST).flatMap((one, place) => {
    const heading = one.day === last || s.day ? [] : [h("li", { key: `day ${one.day}`, class: "day" }, h("span", null, LONG.format(at(one.day))))];
    last = one.day;
    return [...heading, entry(one, place)];
  });
  if (wanted.length > MOST) rows.push(h("li", { key: "more", class: "empty" }, `${wanted.length - MOST} more: choose a day or a client.`));
  patch($("entries"), rows.length ? rows : h("li", { key: "none", class: "empty" }, "Nothing comes."));
}

const coded = (text) => text.split("`").map((part, place) => (place % 2 ? h("code", null, part) : part));

function entry(one, place) {
  const reason = one.reason.replace(/[^.?!`]$/, "$&.");
  const why = one.what === "message" ? "" : `${reason}${one.until ? ` Until ${one.until} there.` : ""}`;
  return h("li", { key: `${one.at} ${one.client} ${place}`, class: `entry ${one.what}` },
    h("span", { class: "dot", "aria-hidden": "true" }),
    h("span", { class: "whom" }, one.client),
    h("span", { class: "when" }, one.standing ? "now" : h("time", { datetime: one.at, title: one.zone }, one.time)),
    h("span", { class: "said" }, h("span", { class: "hush" }, `${KINDS[one.what]}: `), one.title, one.amount && `, ${one.amount}`),
    why && h("span", { class: "because" }, coded(why), " ", h("code", null, one.rule.replaceAll("_", " "))));
}

$("client").addEventListener("change", (event) => {
  s.client = event.target.value;
  draw();
});
$("span").addEventListener("change", (event) => {
  s.days = Number(event.target.value);
  s.day = null;
  look();
});
$("all-days").addEventListener("click", () => {
  choose(s.day);
  $("agenda").focus();
});
look();
listen();
