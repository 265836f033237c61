// What does each pane show? Snapshot and the reader's choices in, h() values out; nothing is done.

import { h } from "./dom.js";
import { blocks, mrkdwn, words } from "./blockkit.js";
import { marks, record } from "./seals.js";

const STATES = {
  queued: ["Queued", "wait"], held: ["Held", "hold"], awaiting: ["Awaiting a decision", "hold"],
  claimed: ["Leaving", "wait"], sending: ["Leaving", "wait"], sent: ["Sent", "sent"],
  delivered: ["Delivered", "good"], in_doubt: ["In doubt", "bad"], withheld: ["Withheld", "bad"],
  cancelled: ["Cancelled", "wait"], failed: ["Failed", "bad"], undelivered: ["Not delivered", "bad"],
  bounced: ["Bounced", "bad"], received: ["Received", "sent"], read: ["Read", "good"],
  send: ["Send", "good"], hold: ["Hold", "hold"], escalate: ["Escalated", "bad"],
  nothing: ["Nothing yet", "wait"], refuse: ["Refused", "bad"], review: ["For review", "hold"],
  open: ["Open", "wait"], overdue: ["Overdue", "bad"], paid: ["Paid", "good"],
  disputed: ["Disputed", "hold"], partial: ["Partly paid", "hold"], void: ["Void", "wait"],
  with_payer: ["With a payer", "hold"], uncollectible: ["Written off", "wait"],
  sealed: ["Sealed", "hold"], unsealed: ["Not sealed any more", "wait"],
};
const state = (name) => STATES[name] ?? [titled(name), "wait"];
const capital = (text) => (text ? text[0].toUpperCase() + text.slice(1) : "");
const titled = (name) => capital(name?.replaceAll("_", " "));
const badge = (name) => h("span", { class: `badge ${state(name)[1]}` }, state(name)[0]);

/** A sentence in which `backticks` mark what is typed somewhere. */
export const coded = (text) => (text ?? "").split("`").map((part, at) => (at % 2 ? h("code", null, part) : part));
const spoken = (text) => (text ?? "").replace(/\bsms\b/g, "SMS");
/** A value; where it has a mail address, that breaks at its signs and not within a word. */
const broken = (value) => String(value).split(/@/.test(value) ? /(?<=@)|(?=\.)/ : null).flatMap((part, at) => (at ? [h("wbr"), part] : [part]));
const ruleWords = (rule) => rule.replaceAll("_", " ");

const FORMATS = new Map();
function format(iso, zone, shape) {
  const key = `${zone} ${JSON.stringify(shape)}`;
  if (!FORMATS.has(key)) FORMATS.set(key, formatter(zone, shape));
  return FORMATS.get(key).format(new Date(iso));
}
function formatter(zone, shape) {
  try {
    return new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...shape });
  } catch {
    return new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hourCycle: "h23", ...shape });
  }
}
const HOUR = { hour: "2-digit", minute: "2-digit" };
const DAY = { weekday: "short", day: "numeric", month: "short" };
export const hour = (iso, zone = "UTC") => format(iso, zone, HOUR);
export const day = (iso, zone = "UTC") => format(iso, zone, DAY);
export const moment = (iso, zone = "UTC") => `${day(iso, zone)}, ${hour(iso, zone)}`;
const time = (iso, zone, shown = moment) =>
  h("time", { datetime: iso, title: `${moment(iso, zone)} (${zone ?? "UTC"})` }, shown(iso, zone));
const city = (zone) => zone.split("/").at(-1).replaceAll("_", " ");

/** Rows with a heading wherever the day changes. */
function byDay(rows, zone, draw) {
  let last = null;
  return rows.flatMap((row) => {
    const today = day(row.at, zone);
    const heading = today === last ? [] : [h("li", { key: `day ${today}`, class: "day" }, h("span", null, today))];
    last = today;
    return [...heading, draw(row)];
  });
}

const glyph = (path) => h("svg", { viewBox: "0 0 16 16", class: "glyph", "aria-hidden": "true" }, h("path", { d: path }));
const empty = (words, more) => h("div", { class: "empty" }, h("p", null, words), more && h("p", { class: "more" }, more));

// ── the top ───────────────────────────────────────────────────────────────────────────────────

export function clock(s, on) {
  const { clock: now } = s.snap;
  const idle = !now.busy && !s.turning && !s.run;
  const step = (to, label) => h("button", { key: to, type: "button", "aria-disabled": idle ? null : "true", onclick: () => idle && on.turn(to) }, label);
  return [
    h("div", { class: "now" },
      h("strong", null, now.label),
      h("span", { class: "next", title: now.next_event?.what }, now.next_event ? ["Next: ", time(now.next_event.at), " · ", spoken(now.next_event.what)] : "Nothing is due")),
    s.run
      ? h("div", { key: "run", class: "run" },
        h("progress", { max: s.run.days, value: s.run.done, "aria-label": "Days turned" }),
        h("span", null, `Day ${s.run.done} of ${s.run.days}`),
        h("button", { type: "button", class: "stop", onclick: on.stop }, s.run.stop ? "Stopping…" : "Stop"))
      : h("div", { key: "steps", class: "steps", role: "group", "aria-label": "Turn the clock", "aria-busy": idle ? null : "true" },
        step("hour", "+1 hour"), step("day", "+1 day"), step("week", "+1 week"), step("next", "To next event"),
        h("button", { key: "run", type: "button", "aria-disabled": idle ? null : "true", onclick: () => idle && on.run(90) }, "Run 90 days")),
  ];
}

export function live(s, on) {
  const { open } = s.snap.live;
  return [
    !s.online && h("span", { key: "line", class: "line", role: "status" }, "Reconnecting…"),
    h("button", { key: "switch", type: "button", class: "switch", role: "switch", "aria-checked": open ? "true" : "false", onclick: () => on.golive(!open) },
      h("span", { class: "track", "aria-hidden": "true" }), h("span", null, open ? "Live to clients" : "Not live")),
  ];
}

export function tabs(s, on) {
  const { clients, slack, selected } = s.snap;
  const wrote = clients.reduce((sum, row) => sum + (row.id === selected?.client ? 0 : row.unread), 0);
  const panes = [
    ["rail", "Clients", wrote], ["phone", "Phone"], ["mailbox", "Mail"],
    ["slack", "Slack", s.pane === "slack" ? 0 : slack.channels.reduce((sum, one) => sum + unread(s, one), 0)], ["stub", "Why"],
  ];
  return panes.map(([id, label, count]) =>
    h("button", { key: id, type: "button", "aria-current": s.pane === id ? "true" : null, onclick: () => on.pane(id) },
      label, count ? [" ", h("span", { class: "pip" }, count, h("span", { class: "hush" }, " unread"))] : null));
}

// ── the portfolio ─────────────────────────────────────────────────────────────────────────────

const isOverdue = (client) => client.balances.some((one) => one.overdue > 0);
export const FILTERS = {
  all: ["All", () => true],
  overdue: ["Overdue", isOverdue],
  flagged: ["Flagged", (client) => client.flags.length > 0],
  unread: ["Unread", (client) => client.unread > 0],
};
const SHOWN = 200;

export function found(s) {
  const query = s.query.trim().toLowerCase();
  return s.snap.clients.filter((client) => FILTERS[s.filter][1](client)
    && (!query || [client.name, client.id, client.owner, ...client.flags].join(" ").toLowerCase().includes(query)));
}

export function filters(s, on) {
  return Object.entries(FILTERS).map(([id, [label, test]]) =>
    h("button", { key: id, type: "button", class: "chip", "aria-pressed": s.filter === id ? "true" : "false", onclick: () => on.filter(id) },
      label, id === "all" ? null : ` ${s.snap.clients.filter(test).length}`));
}

export function clients(s, on) {
  const rows = found(s);
  if (!rows.length) return h("li", null, s.snap.clients.length ? empty("No client fits.", "Clear the search, or show all.") : empty("No clients yet."));
  return [
    ...rows.slice(0, SHOWN).map((client) => h("li", { key: client.id }, clientRow(client, s, on))),
    rows.length > SHOWN && h("li", { key: "more", class: "more" }, `${rows.length - SHOWN} more: search to find them.`),
  ];
}

function clientRow(client, s, on) {
  const chosen = s.client === client.id;
  const held = client.next ? null : s.snap.held.find((one) => one.client === client.id);
  return h("button", { type: "button", class: "client", "aria-current": chosen ? "true" : null, onclick: () => on.client(client.id) },
    h("span", { class: "name" }, client.name),
    client.unread && !chosen ? h("span", { class: "pip" }, client.unread, h("span", { class: "hush" }, " unread")) : null,
    h("span", { class: "money" }, client.balances.map((one) =>
      one.overdue > 0 ? h("span", { class: "late" }, one.display_overdue, " late") : h("span", null, one.open > 0 ? one.display_open : "settled"))),
    held ? h("span", { class: "then reason" }, "Held: ", spoken(held.what))
      : h("span", { class: "then" }, client.next ? [time(client.next.at, client.timezone, day), " · ", spoken(client.next.what)] : "Nothing planned"),
    client.flags.length > 0 && h("span", { class: "flags" }, client.flags.map((flag) => h("span", { class: "flag" }, spoken(flag)))));
}

export const totals = ({ snap: { totals: all } }) =>
  ["sent", "delivered", "held", "withheld", "failed", "escalated"].map((name) =>
    h("div", { key: name, class: all[name] && name === "failed" ? "bad" : null }, h("dt", null, titled(name)), h("dd", null, all[name] ?? 0)));

export function who(s, on) {
  const client = chosen(s);
  if (!client) return empty("Choose a client.");
  const held = s.snap.selected.held;
  return [
    h("div", { class: "who-line" },
      h("h2", null, client.name),
      client.flags.map((flag) => h("span", { key: flag, class: "flag" }, spoken(flag))),
      h("span", { class: "who-facts" }, "Their time ", h("strong", null, client.local_time), " · owner ", client.owner)),
    h("div", { class: "who-line" },
      client.balances.map((one) => h("span", { key: one.currency, class: "balance" },
        h("strong", null, one.display_open), " open", one.overdue > 0 && h("span", { class: "late" }, " · ", one.display_overdue, " overdue"))),
      client.next && h("span", { class: "who-next" }, "Next ", time(client.next.at, client.timezone), " their time · ", spoken(client.next.what))),
    held.length > 0 && h("ul", { class: "who-held", "aria-label": "Held for this client" }, held.map((one) =>
      h("li", { key: one.message_id }, h("button", { type: "button", class: "held", onclick: () => on.why("message", one.message_id) },
        h("strong", null, "Held: ", spoken(one.what), ". "), h("span", { class: "reason" }, coded(one.reason)))))),
    held.length === 0 && h("p", { class: "who-calm" }, s.snap.live.open ? "Nothing is held for this client." : "Nothing is meant for this client yet."),
    h("div", { class: "who-acts" },
      h("button", { type: "button", class: "quiet", onclick: () => on.why("client", client.id) }, "Why now?"),
      client.balances.some((one) => one.open > 0)
        && h("button", { type: "button", class: "quiet pay", onclick: () => on.pay(client.id, null) }, "Client pays all")),
  ];
}

/** A newcomer's first minutes; what is done is ticked. */
function steps(s, on) {
  const { live, held, clock, selected, slack, sealed } = s.snap;
  const first = selected?.held[0] ?? held[0];
  const wrote = [...(selected?.phone.texts ?? []), ...(selected?.mailbox.mails ?? [])].some((one) => one.direction === "in");
  return [
    [s.looked, "See why a reminder is held", "Every message is judged at a door, in one order.", first && (() => on.heldOf(first))],
    [live.open, "Open the door to clients", "Nothing leaves to a client before that.", () => on.golive(true)],
    [clock.now !== clock.started, "Turn the clock by a day", "What is due leaves in the client’s office hours.", () => on.turn("day")],
    [wrote, "Answer as the client", "Text from the phone, or reply to a mail. Try STOP.", on.write],
    [slack.channels.some((one) => one.messages.some((post) => post.ephemeral)), "Ask in Slack", "Type /acct and a client’s name.", on.ask],
    [sealed.some((one) => one.looks.length), "Write what Slack must not see", "Legal advice comes to Slack sealed. Open Sealed and try to read it as Ruth; then be Dana, who is cleared for it.", on.advise],
  ];
}

const stepList = (list) => h("ol", null, list.map(([done, what, why, act]) => h("li", { key: what, class: done ? "done" : null },
  h("span", { class: "tick", "aria-hidden": "true" }, done ? "✓" : ""),
  h("div", null,
    act && !done ? h("button", { type: "button", class: "why-link", onclick: act }, what) : h("strong", null, what),
    done && h("span", { class: "hush" }, ", done"), h("p", null, why)))));

const guide = (s, on) => h("div", { class: "guide" }, h("h3", null, "Six things to try"), stepList(steps(s, on)));

/** The same in one line that unfolds, once there is something else to read. */
export function guideBar(s, on) {
  const list = steps(s, on);
  const left = list.filter(([done]) => !done).length;
  if (!channel(s)?.messages.length || !left) return null;
  return h("details", null, h("summary", null, "Six things to try", h("span", null, ` · ${list.length - left} done`)), stepList(list));
}

export const chosen = (s) => s.snap.clients.find((client) => client.id === s.snap.selected?.client) ?? null;
const zoneOf = (s) => chosen(s)?.timezone ?? "UTC";

// ── phone and mailbox ─────────────────────────────────────────────────────────────────────────

const whyButton = (s, on, id, label) => h("button", {
  type: "button", class: "why-link", "aria-pressed": s.why?.id === id ? "true" : "false",
  onclick: () => on.why("message", id) }, label ?? "Why?");

export function texts(s, on) {
  const phone = s.snap.selected?.phone;
  if (!phone?.number) return h("li", null, empty("No mobile number.", "This client can be reached by mail only."));
  if (!phone.texts.length) return h("li", null, empty("No text messages yet.", "A text needs the client’s consent; most are written to by mail. You can text as the client below."));
  return byDay(phone.texts, zoneOf(s), (one) => {
    const told = one.direction === "in" ? "Client" : one.direction === "out" ? "To the client" : "Carrier";
    return h("li", { key: one.id, class: `text ${one.direction} ${state(one.status)[1]}` },
      h("div", { class: "bubble" }, h("span", { class: "hush" }, told, ": "), linked(one.body)),
      h("div", { class: "under" }, time(one.at, zoneOf(s), hour), one.direction === "out" && one.status ? badge(one.status) : null,
        one.message_id && whyButton(s, on, one.message_id)));
  });
}

const LINK = /(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)])/g;
const linked = (text) => text.split(LINK).map((part, place) =>
  place % 2 ? h("a", { href: part, target: "_blank", rel: "noopener noreferrer" }, part) : part);

export function mails(s, on) {
  const box = s.snap.selected?.mailbox;
  if (!box?.address) return h("li", null, empty("No mail address."));
  if (!box.mails.length) return h("li", null, empty("The mailbox is empty.", s.snap.live.open ? "Turn the clock: mail leaves in the client’s office hours." : "What is meant for it is held: the door to clients is not open."));
  return box.mails.toReversed().map((one) => h("li", { key: one.id },
    h("button", { type: "button", class: `mail ${s.seen.has(one.id) ? "" : "new"}`, "aria-current": s.mail === one.id ? "true" : null, onclick: () => on.mail(one.id) },
      h("span", { class: "from" }, one.direction === "in" ? `Client to ${person(one.to)}` : person(one.from)),
      time(one.at, zoneOf(s), (iso, zone) => `${day(iso, zone)} ${hour(iso, zone)}`),
      h("span", { class: "subject" }, one.subject || "(no subject)"),
      !s.seen.has(one.id) && h("span", { class: "hush" }, "unread"))));
}

const person = (mailbox) => mailbox.replace(/\s*<[^>]*>$/, "").replace(/^"(.*)"$/, "$1") || mailbox;

// The page's own policy is inherited by the frame; this one forbids what is left, so that a mail
// shows as it was written and fetches nothing.
const LETTER_HEAD = `<!doctype html><meta charset="utf-8"><meta http-equiv="content-security-policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"><base target="_blank">
<style>html{color-scheme:light;background:#fff}body{overflow-wrap:break-word}img{max-width:100%}</style>`;

export function letter(s, on) {
  const one = s.snap.selected?.mailbox.mails.find((mail) => mail.id === s.mail);
  if (!one) return null;
  const html = one.html && !s.plainMail;
  return [
    h("header", { key: `head ${one.id}` },
      h("h3", null, one.subject || "(no subject)"),
      h("p", { class: "letter-line" }, h("strong", null, one.direction === "in" ? "From the client" : person(one.from)), time(one.at, zoneOf(s))),
      h("p", { class: "letter-to", title: `${one.from} → ${one.to}` }, (one.from.match(/<(.+)>$/)?.[1] ?? one.from), " → ", one.to),
      h("div", { class: "letter-acts" },
        one.direction !== "in" && one.status && badge(one.status),
        one.message_id && whyButton(s, on, one.message_id),
        one.html && one.text && h("button", { type: "button", class: "why-link", "aria-pressed": s.plainMail ? "true" : "false", onclick: on.plain }, "Plain text"),
        h("button", { type: "button", class: "quiet", onclick: () => on.reply(one) }, "Reply"))),
    html
      ? h("iframe", { key: `html ${one.id}`, title: `Mail: ${one.subject}`, sandbox: "allow-popups allow-popups-to-escape-sandbox", referrerpolicy: "no-referrer", srcdoc: LETTER_HEAD + one.html })
      : h("div", { key: `text ${one.id}`, class: "plain scroll", tabindex: "0" }, linked(one.text ?? "")),
  ];
}

// ── Slack ─────────────────────────────────────────────────────────────────────────────────────

export function channels(s, on) {
  return s.snap.slack.channels.map((one) =>
    h("button", { key: one.id, type: "button", class: "channel", "aria-current": one.id === s.channel ? "true" : null, onclick: () => on.channel(one.id) },
      one.name, unread(s, one) > 0 && [" ", h("span", { class: "pip" }, unread(s, one), h("span", { class: "hush" }, " unread"))]));
}

/** How many messages of a channel the reader has not had in front of them. */
export const unread = (s, one) => (one.id === s.channel ? 0 : Math.max(0, one.messages.length - (s.readTo.get(one.id) ?? 0)));

export const channel = (s) => s.snap.slack.channels.find((one) => one.id === s.channel) ?? null;

export function posts(s, on) {
  const here = channel(s);
  if (!here?.messages.length) return h("li", { key: "guide" }, empty(`Nothing in ${here?.name ?? "Slack"} yet.`, PURPOSES[here?.name]), guide(s, on));
  const roots = here.messages.filter((one) => !one.thread_ts || one.thread_ts === one.ts);
  const known = new Set(roots.map((one) => one.ts));
  const replies = new Map();
  for (const one of here.messages)
    if (one.thread_ts && one.thread_ts !== one.ts) replies.set(one.thread_ts, [...(replies.get(one.thread_ts) ?? []), one]);
  for (const [ts, list] of replies) if (!known.has(ts)) roots.push(...list);
  roots.sort((one, other) => (one.ts < other.ts ? -1 : 1));
  return byDay(roots, "UTC", (root) => h("li", { key: root.ts, class: "post-and-thread", "data-ts": root.ts },
    post(root, s, on, known.has(root.ts) ? replies.get(root.ts) ?? [] : null)));
}

const PURPOSES = {
  "#clients": "What clients answer comes here, one thread per client. Reply in the thread, and the client’s record has it.",
  "#finance": "What fails, and what nobody else looks after, comes here.",
};

function post(one, s, on, replies) {
  const mine = one.user === actor(s);
  const tools = { names: s.names, act: (action, value, element) => on.click(s.channel, one.ts, action, value, element) };
  return [
    h("article", { class: `post ${one.ephemeral ? "ephemeral" : ""} ${s.lit === one.ts ? "lit" : ""}` },
      h("span", { class: `face ${mine ? "mine" : hue(one.user)}`, "aria-hidden": "true" }, initials(s.names[one.user] ?? one.user)),
      h("div", { class: "post-body" },
        one.ephemeral && h("p", { class: "only" }, "Only visible to you"),
        h("p", { class: "post-head" }, h("strong", null, s.names[one.user] ?? one.user), " ", time(one.at, "UTC", hour),
          one.edited && h("span", { class: "edited" }, " edited")),
        one.blocks?.length ? h("div", { class: "blocks" }, blocks(one.blocks, tools)) : h("div", { class: "bk-text" }, mrkdwn(one.text, s.names)),
        marks(one, actor(s), on),
        h("p", { class: "post-acts" },
          one.message_id && whyButton(s, on, one.message_id),
          replies && !one.ephemeral && h("button", { type: "button", class: "why-link", onclick: () => on.thread(one) }, "Reply in thread")))),
    replies?.length > 0 && thread(one, replies, s, on),
  ];
}

const FOLD = 3;

function thread(root, replies, s, on) {
  const open = s.unfolded.has(root.ts);
  const folded = open ? 0 : Math.max(0, replies.length - FOLD);
  return h("ol", { key: `thread ${root.ts}`, class: "thread", "aria-label": "Thread" },
    folded > 0 && h("li", { key: "fold" }, h("button", { type: "button", class: "why-link", onclick: () => on.unfold(root.ts) }, `Show ${folded} earlier ${folded === 1 ? "reply" : "replies"}`)),
    replies.slice(folded).map((one) => h("li", { key: one.ts }, post(one, s, on, null))));
}

const initials = (name) => name.replace(/[^\p{L}\p{N} ]/gu, "").split(" ").filter(Boolean).slice(0, 2).map((part) => part[0].toUpperCase()).join("") || "?";
const hue = (name) => name === "Counterfoil" ? "" : `hue${[...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 5}`;

/** Who writes and presses here: whoever reads a direct message, else the page's own person. */
export function actor(s) {
  const here = channel(s);
  return here && !here.name.startsWith("#") ? here.name.replace(/ \(DM\)$/, "") : s.snap.slack.user.name;
}

/** Who may sit before Slack, and which roles they have. */
export const people = (s) => s.snap.slack.people.map((one) =>
  h("option", { key: one.id, value: one.id }, `${one.name} · ${one.roles.toReversed().join(", ") || "no role"}`));

/** Where Slack shows what a client wrote. */
export function placeOfSaid(touchpoint, slack) {
  for (const one of slack.channels)
    for (const post of one.messages.toReversed())
      if (post.said?.touchpoint === touchpoint) return { channel: one.id, ts: post.ts };
  return null;
}

/** Where Slack speaks of this client: its channel, or the first message that names it. */
export function placeOf(client, slack) {
  const own = slack.channels.find((one) => one.name.toLowerCase().includes(client.id.toLowerCase()));
  if (own) return { channel: own.id, ts: null };
  for (const one of slack.channels)
    for (const post of one.messages.toReversed())
      if (`${post.text}\n${words(post.blocks)}`.includes(client.name)) return { channel: one.id, ts: post.thread_ts ?? post.ts };
  return null;
}

export function modal(s, on) {
  const { view } = s.snap.slack;
  const tools = { names: s.names, errors: s.errors, act: (action, value, element) => on.click("view", view.id, action, value, element) };
  return h("form", { key: `${view.id} ${view.submit?.text ?? "done"}`, method: "dialog", novalidate: true, onsubmit: on.submit },
    h("header", null, h("h2", { id: "modal-title" }, view.title?.text ?? ""),
      h("button", { type: "button", class: "why-link", onclick: on.dismiss, "aria-label": "Close" }, "✕")),
    h("div", { class: "modal-body scroll" }, blocks(view.blocks, tools)),
    h("footer", null,
      h("button", { type: "button", class: "quiet", onclick: on.dismiss }, view.close?.text ?? "Cancel"),
      view.submit && h("button", { type: "submit", class: "go" }, view.submit.text)));
}

// ── the counterfoil: why, and the record ──────────────────────────────────────────────────────

const DOOR = { pass: ["passed", "M3 8.5l3.2 3L13 4.8"], defer: ["waits", "M8 4v4.5l3 1.5"], refuse: ["refused", "M4.5 4.5l7 7m0-7l-7 7"], review: ["asks a person", "M6 6.2a2 2 0 1 1 2.6 2c-.5.2-.6.6-.6 1.2M8 12v.1"], empty: ["nothing to judge", "M5 8h6"] };

export function why(s, on) {
  const told = s.whyTold;
  if (!told) return empty("Choose a message, a held step or an invoice.", "Here stands why it went out, or did not.");
  if (told.error) return empty(told.error);
  const zone = zoneOf(s);
  return h("div", { key: `${told.kind} ${told.id}`, "aria-busy": s.whyBusy ? "true" : null },
    h("p", { class: "why-title" }, badge(told.verdict), " ", capital(spoken(told.title))),
    h("p", { class: "why-reason" }, coded(told.reason)),
    told.next_look && h("p", { class: "why-next" }, "Looked at next ", h("strong", null, time(told.next_look, zone)), ` (${city(zone)} time)`),
    told.rule && h("p", { class: "why-rule" }, "Rule ", h("code", { class: "rule" }, told.rule)),
    told.would_change?.length > 0 && [h("h3", null, "What would change it"), h("ul", { class: "why-change" }, told.would_change.map((one) => h("li", null, coded(one))))],
    told.door?.length > 0 && [h("h3", null, "At the door"), h("ol", { class: "door" }, told.door.map(place))],
    told.facts?.length > 0 && [h("h3", null, "Facts of that moment"), h("dl", { class: "facts" }, told.facts.map((fact) => h("div", null, h("dt", null, fact.name), h("dd", null, broken(fact.value)))))],
    told.text && [h("h3", null, "Text"), h("blockquote", null, told.text)],
    told.related?.length > 0 && h("p", { class: "chips" }, told.related.map((one) =>
      h("button", { key: `${one.kind} ${one.id}`, type: "button", class: "chip", onclick: () => on.why(one.kind, one.id) }, capital(spoken(one.label)).replace(/\(([a-z_]+)\)$/, (all, rule) => `(${ruleWords(rule)})`)))));
}

function place(one) {
  const [said, path] = DOOR[one.verdict] ?? DOOR.empty;
  return h("li", { class: one.verdict }, glyph(path), h("span", { class: "place" }, titled(one.place)), h("span", { class: "said" }, said),
    one.reason && h("span", { class: "because" }, coded(one.reason), " ", one.rule && h("code", { class: "rule" }, one.rule)));
}

export function ledgerTabs(s, on) {
  const list = { timeline: "Timeline", invoices: "Invoices", held: "Held", sealed: "Sealed", story: "Story" };
  return Object.entries(list).map(([id, label]) => h("button", {
    key: id, id: `tab-${id}`, type: "button", role: "tab", "aria-selected": s.ledger === id ? "true" : "false", "aria-controls": "ledger",
    tabindex: s.ledger === id ? "0" : "-1", onclick: () => on.ledger(id) },
  label, counted(s, id) > 0 && [" ", h("span", { class: "pip calm" }, counted(s, id))]));
}

const counted = ({ snap }, id) => ({ held: snap.held.length, sealed: snap.sealed.filter((one) => one.sealed).length })[id] ?? 0;

export const ledger = (s, on) => LEDGERS[s.ledger](s, on);

/** What is asked for of a client now, and each thing that keeps the rest from being asked for. */
const against = ({ asked, against: lines }) => h("div", { key: "against", class: "against" },
  h("p", { class: "asked" }, capital(asked), "."),
  lines.length > 0 && [
    h("h3", { key: "head" }, "What stands against it"),
    h("dl", { key: "lines", class: "facts" }, lines.map((one) =>
      h("div", { key: `${one.kind} ${one.text}` }, h("dt", null, capital(one.kind)), h("dd", null, one.text))))]);

const LEDGERS = {
  timeline(s, on) {
    const rows = s.snap.selected?.timeline ?? [];
    if (!rows.length) return empty("Nothing has happened with this client yet.");
    const zone = h("p", { key: "zone", class: "zone" }, `Newest first, in ${city(zoneOf(s))} time`);
    return [zone, h("ol", { key: "timeline", class: "rows" }, byDay(rows.toReversed(), zoneOf(s), (row) => h("li", { key: row.id },
      h("button", { type: "button", class: `record ${row.kind === "decision" ? "thought" : "done"}`, onclick: () => (row.message_id ? on.why("message", row.message_id) : on.why("decision", row.id)) },
        time(row.at, zoneOf(s), hour), h("span", { class: "kind" }, titled(row.kind)), h("span", { class: "what" }, capital(spoken(row.summary)), row.rule && h("span", { class: "by-rule", title: row.rule }, ` · ${ruleWords(row.rule)}`))))))];
  },
  invoices(s, on) {
    const rows = s.snap.selected?.invoices ?? [];
    if (!rows.length) return empty("No invoices.");
    const list = h("ul", { key: "invoices", class: "rows" }, rows.map((row) => h("li", { key: row.number, class: "invoice" },
      h("button", { type: "button", class: "record", onclick: () => on.why("invoice", row.number) },
        h("strong", null, row.number), badge(row.state),
        h("span", { class: "what" }, row.amount, row.open !== row.amount && row.state !== "paid" && `, ${row.open} open`, " · due ", day(row.due, "UTC"), row.days_overdue > 0 && h("span", { class: "late" }, ` · ${row.days_overdue} days late`))),
      !["paid", "void", "uncollectible", "with_payer"].includes(row.state) && h("button", { type: "button", class: "quiet pay", "aria-label": `Client pays ${row.number}`, onclick: () => on.pay(s.snap.selected.client, row.number) }, "Pay"))));
    return [against(s.snap.selected), list];
  },
  held(s, on) {
    const rows = s.snap.held;
    if (!rows.length) return empty("Nothing is held.", "Whatever waits or is stopped is listed here with its reason.");
    const names = new Map(s.snap.clients.map((client) => [client.id, client.name]));
    const zones = new Map(s.snap.clients.map((client) => [client.id, client.timezone]));
    return h("ul", { key: "held", class: "rows" }, rows.map((row) => h("li", { key: row.message_id },
      h("button", { type: "button", class: "record tall", onclick: () => on.heldOf(row) },
        h("strong", null, names.get(row.client) ?? row.client), h("span", { class: "what" }, spoken(row.what)),
        h("span", { class: "reason" }, coded(row.reason), row.until && [" Until ", time(row.until, zones.get(row.client)), " their time."])))));
  },
  sealed: (s, on) => record(s, on, { badge, empty, me: s.snap.slack.user.name, time: (iso) => time(iso, "UTC") }),
  story(s) {
    const rows = s.snap.story;
    if (!rows.length) return empty("The story starts when the clock is turned.");
    return h("ol", { key: "story", class: "rows story" }, byDay(rows.slice(-400).toReversed(), "UTC", (row) =>
      h("li", { key: `${row.at} ${row.line}`, class: `k-${row.kind}` }, time(row.at, "UTC", hour), h("span", { class: "what" }, coded(spoken(row.line))))));
  },
};
