// What happens when something is pressed, typed or heard? Holds the reader's choices and the last
// snapshot, asks the server, and draws; panes.js decides how it looks.

import { follow, h, patch } from "./dom.js";
import { unfilled, values } from "./blockkit.js";
import * as panes from "./panes.js";

const $ = (id) => document.getElementById(id);
const s = {
  snap: null, client: new URLSearchParams(location.hash.slice(1)).get("client"), channel: null, mail: null,
  thread: null, why: null, whyTold: null, whyBusy: false, ledger: "timeline", filter: "all", query: "",
  pane: "slack", run: null, turning: false, online: true, seen: new Set(), unfolded: new Set(), lit: null,
  errors: null, gone: new Set(), plainMail: false, answering: null, names: {}, readTo: new Map(), chose: false,
  looked: false,
};

// ── the server ────────────────────────────────────────────────────────────────────────────────

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", body: JSON.stringify(body),
    headers: { "content-type": "application/json", "x-counterfoil-page": "1" },
  };
  let answer;
  try {
    answer = await fetch(`/api/${path}`, options);
  } catch {
    throw new Error("The sandbox does not answer. Is it still running in the terminal?");
  }
  const told = await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(told?.error ?? `The sandbox failed (${answer.status}); the terminal says why.`);
  return told;
}

const underWay = new Set();

/**
 * Does something and shows a refusal as a toast; null when it was refused. The same thing asked
 * again while it is under way (a double click) is done once.
 */
async function act(path, body) {
  const asked = `${path} ${JSON.stringify(body)}`;
  if (underWay.has(asked)) return null;
  underWay.add(asked);
  try {
    return (await ask(path, body)) ?? {};
  } catch (trouble) {
    toast(trouble.message);
    return null;
  } finally {
    underWay.delete(asked);
  }
}

let loading = false;
let stale = false;

async function refresh() {
  stale = true;
  if (loading) return;
  loading = true;
  while (stale) {
    stale = false;
    const asked = s.client;
    const query = asked ? `?client=${encodeURIComponent(asked)}` : "";
    try {
      const snap = await ask(`snapshot${query}`);
      if (asked === s.client) take(snap);
      else stale = true; // another client was chosen meanwhile
    } catch (trouble) {
      if (s.client && !s.snap) s.client = null;
      if (s.online) toast(trouble.message);
    }
    if (s.turning || s.run) await new Promise((go) => setTimeout(go, 250)); // days pass faster than they are read
  }
  loading = false;
}

let wait = 500;

function listen() {
  const events = new EventSource("/api/events");
  events.onopen = () => {
    wait = 500;
    online(true);
    refresh();
  };
  events.onmessage = refresh;
  events.onerror = () => {
    events.close();
    online(false);
    setTimeout(listen, wait);
    wait = Math.min(wait * 1.8, 15000);
  };
}

function online(yes) {
  if (s.online === yes) return;
  s.online = yes;
  if (s.snap) draw();
  say(yes ? "Connected again." : "Connection lost, reconnecting.");
}

// ── what came in ──────────────────────────────────────────────────────────────────────────────

function take(snap) {
  const before = s.snap;
  s.snap = snap;
  const { slack, selected } = snap;
  const moved = before?.selected?.client !== selected?.client;
  s.client = selected?.client ?? null;
  s.names = Object.fromEntries([...Object.entries(slack.users), ...slack.channels.map((one) => [one.id, one.name.replace(/^#/, "")])]);
  look(slack.channels);
  const box = selected?.mailbox.mails ?? [];
  if (moved) {
    if (s.answering) closeMail();
    for (const mail of box) s.seen.add(mail.id);
    s.mail = box.at(-1)?.id ?? null;
  }
  s.mail ??= box.at(-1)?.id ?? null;
  if (s.mail) s.seen.add(s.mail);
  for (const mail of box) if (mail.direction === "in") s.seen.add(mail.id);
  if (before && !moved) say(newsBetween(before, snap));
  draw(moved);
  if (!s.why && s.client) tell("client", s.client);
  else if (s.why && moved && s.why.kind === "client") tell("client", s.client);
  else if (s.why) tell(s.why.kind, s.why.id);
}

/** Until the reader picks a channel the page shows one in which there is something to read. */
function look(channels) {
  const here = channels.find((one) => one.id === s.channel);
  if (!here || (!s.chose && !here.messages.length))
    s.channel = (channels.find((one) => one.name.startsWith("#") && one.messages.length) ?? here ?? channels[0])?.id ?? null;
}

function newsBetween(before, now) {
  const more = (list) => list(now) - list(before);
  const parts = [
    [more((snap) => snap.selected?.phone.texts.length ?? 0), "text", "texts"],
    [more((snap) => snap.selected?.mailbox.mails.length ?? 0), "mail", "mails"],
    [more((snap) => snap.slack.channels.reduce((sum, one) => sum + one.messages.length, 0)), "Slack message", "Slack messages"],
    [more((snap) => snap.held.length), "message held", "messages held"],
  ].filter(([count]) => count > 0).map(([count, one, many]) => `${count} new ${count === 1 ? one : many}`);
  if (before.clock.now !== now.clock.now && !s.run) parts.unshift(now.clock.label);
  return parts.join(", ");
}

function say(words) {
  if (words) $("news").textContent = words;
}

async function tell(kind, id) {
  const asked = `${kind} ${id}`;
  const fresh = s.why?.kind !== kind || s.why?.id !== id;
  s.why = { kind, id };
  s.whyBusy = fresh;
  let told;
  try {
    told = await ask(`why/${kind}/${encodeURIComponent(id)}`);
  } catch (trouble) {
    told = { error: trouble.message };
  }
  if (asked !== `${s.why?.kind} ${s.why?.id}`) return;
  s.whyTold = told;
  s.whyBusy = false;
  draw();
  if (fresh) $("why").scrollTop = 0;
}

// ── what the reader does ──────────────────────────────────────────────────────────────────────

const on = {
  async turn(to) {
    s.turning = true;
    draw();
    await act("turn", { to });
    s.turning = false;
    await refresh();
    draw();
  },
  async run(days) {
    s.run = { days, done: 0, stop: false };
    draw();
    while (s.run.done < days && !s.run.stop) {
      if (!(await act("turn", { to: "day" }))) break;
      s.run.done += 1;
      draw();
    }
    say(`${s.run.done} days turned.`);
    s.run = null;
    await refresh();
    draw();
  },
  stop() {
    s.run.stop = true;
    draw();
  },
  golive: (open) => act("golive", { open }).then(refresh),
  pane(id) {
    s.pane = id;
    draw();
    $(id).scrollIntoView({ block: "nearest", inline: "start" });
    const list = { phone: "texts", slack: "posts" }[id];
    if (list && narrow()) $(list).scrollTop = $(list).scrollHeight;
  },
  filter(id) {
    s.filter = id;
    draw();
  },
  async client(id) {
    s.client = id;
    history.replaceState(null, "", `#client=${encodeURIComponent(id)}`);
    const client = s.snap.clients.find((one) => one.id === id);
    s.why = { kind: "client", id };
    if (narrow()) s.pane = "phone";
    await refresh();
    const place = client && panes.placeOf(client, s.snap.slack);
    if (place) showPost(place);
  },
  async heldOf(row) {
    s.looked = true;
    on.why("message", row.message_id);
    const client = s.snap.clients.find((one) => one.id === row.client || one.name === row.client);
    if (client && client.id !== s.client) {
      s.client = client.id;
      await refresh();
    }
  },
  why(kind, id) {
    s.looked ||= kind === "message";
    tell(kind, id);
    if (narrow()) {
      s.pane = "stub";
      draw();
      $("why").focus();
    } else {
      draw();
      $("stub").scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  },
  pay: (client, invoice) => act("pay", { client, invoice }).then(refresh),
  mail(id) {
    s.mail = id;
    draw();
  },
  plain() {
    s.plainMail = !s.plainMail;
    draw();
  },
  reply(mail) {
    openMail(mail);
  },
  react: (ts, emoji) => act("react", { channel: s.channel, ts, emoji }).then(refresh),
  shortcut: (ts, callback_id) => act("shortcut", { channel: s.channel, ts, callback_id }).then(refresh),
  become: (user) => act("become", { user }).then(refresh),
  async readSealed(row) {
    const who = s.snap.slack.user.name;
    const told = await act("read", { touchpoint: row.touchpoint });
    await refresh();
    if (told) shown(`${row.client}: read as ${who}`, told.lines.join("\n\n"), `That ${who} has read it is a link of this client’s chain, which nobody can take out unseen.`);
  },
  showSaid(touchpoint) {
    const place = panes.placeOfSaid(touchpoint, s.snap.slack);
    if (!place) return toast("Its card has not come to Slack yet.");
    on.pane("slack");
    showPost(place);
  },
  write() {
    const phone = Boolean(s.snap.selected?.phone.number);
    on.pane(phone ? "phone" : "mailbox");
    if (phone) $("text-body").focus();
    else openMail(null);
  },
  advise() {
    on.write();
    $(s.snap.selected?.phone.number ? "text-body" : "mail-body").value = idea("Legal advice");
  },
  ask() {
    on.pane("slack");
    $("say-text").value = `/acct ${s.client ?? ""}`.trim();
    $("say-text").focus();
  },
  channel(id) {
    s.channel = id;
    s.chose = true;
    s.thread = null;
    s.lit = null;
    draw();
    $("posts").scrollTop = $("posts").scrollHeight;
  },
  thread(post) {
    s.thread = { ts: post.ts, about: excerpt(post) };
    draw();
    $("say-text").focus();
  },
  unfold(ts) {
    s.unfolded.add(ts);
    draw();
  },
  async click(channel, ts, action, value, element) {
    if (element?.confirm && !(await confirmed(element.confirm))) return;
    if (await act("click", { channel, ts, action_id: action ?? "", value: String(value ?? "") })) await refresh();
  },
  async submit(event) {
    event.preventDefault();
    const { view } = s.snap.slack;
    const missing = unfilled(event.target); // Slack does not send a form before it is filled in
    const told = missing ? { errors: missing } : await act("submit", { view_id: view.id, values: values(event.target) });
    if (!told) return;
    s.errors = told.errors ?? null;
    draw();
    if (s.errors) return $("modal").querySelector("[aria-invalid=true]")?.focus();
    await refresh();
    if ($("modal").open && !$("modal").contains(document.activeElement)) $("modal").querySelector("footer button").focus();
  },
  async dismiss() {
    const { view } = s.snap.slack;
    s.gone.add(view.id);
    s.errors = null;
    draw();
    await act("dismiss", { view_id: view.id });
    await refresh();
  },
  ledger(id) {
    s.ledger = id;
    draw();
    $("ledger").scrollTop = 0;
  },
};

const narrow = () => matchMedia("(max-width: 819px)").matches;
const excerpt = (post) => (post.text || "this message").replace(/[*_~`]/g, "").slice(0, 60);

function showPost({ channel, ts }) {
  s.channel = channel;
  s.chose = true;
  s.lit = ts;
  const root = ts && panes.channel(s)?.messages.find((one) => one.ts === ts)?.thread_ts;
  if (root) s.unfolded.add(root);
  draw();
  const posts = $("posts");
  const found = ts && posts.querySelector(`[data-ts="${CSS.escape(ts)}"]`);
  if (found) posts.scrollTop = found.offsetTop - posts.offsetTop - 12;
  else posts.scrollTop = posts.scrollHeight;
}

function confirmed(words) {
  const dialog = $("confirm");
  const text = (one, otherwise) => one?.text ?? otherwise;
  return new Promise((resolve) => {
    patch(dialog, h("form", { method: "dialog" },
      h("header", null, h("h2", { id: "confirm-title" }, text(words.title, "Are you sure?"))),
      h("p", { class: "modal-body" }, text(words.text, "")),
      h("footer", null,
        h("button", { class: "quiet", value: "no" }, text(words.deny, "Cancel")),
        h("button", { class: "go", value: "yes" }, text(words.confirm, "Yes")))));
    dialog.returnValue = "no";
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.showModal();
  });
}

/** A window with words to read. */
function shown(title, words, note) {
  const dialog = $("confirm");
  patch(dialog, h("form", { method: "dialog" },
    h("header", null, h("h2", { id: "confirm-title" }, title)),
    h("div", { class: "modal-body scroll" }, h("blockquote", null, words), h("p", { class: "hint" }, note)),
    h("footer", null, h("button", { class: "go", value: "yes" }, "Close"))));
  dialog.onclose = null;
  dialog.showModal();
}

function toast(words) {
  const card = document.createElement("div");
  card.className = "toast";
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "✕";
  close.setAttribute("aria-label", "Close");
  close.onclick = () => card.remove();
  const said = document.createElement("p");
  patch(said, panes.coded(words));
  card.append(said, close);
  $("toasts").append(card);
  $("toasts").hidePopover(); // shown anew it stands above a dialog that was opened later
  $("toasts").showPopover();
  setTimeout(() => card.remove(), 9000);
}

// ── writing ───────────────────────────────────────────────────────────────────────────────────

function enterSends(field) {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.defaultPrevented) return;
    event.preventDefault();
    field.form.requestSubmit();
  });
}

/** Sends what was typed; it stays in the field when the sandbox refuses it. */
function composer(form, field, send) {
  $(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    const typed = $(field).value;
    if (!typed.trim()) return $(field).focus();
    $(field).value = "";
    if (await send(typed)) return refresh();
    if (!$(field).value) $(field).value = typed;
  });
}

const IDEAS = {
  "We pay on Friday": "We pay on Friday", "Which invoice?": "Which invoice?", STOP: "STOP", START: "START",
  "Legal advice": "Invoice INVOICE is approved for payment. Between us: should we settle the Bram claim, or does that admit liability?",
  Health: "I cannot pay before June, I start chemotherapy on Monday.",
  "Card number": "Take it from my card: 4242 4242 4242 4242, exp 04/29, cvc 123",
};
/** What a chip writes, of this client's newest open invoice. */
const idea = (name) => IDEAS[name].replace("INVOICE", openInvoice());
const openInvoice = (otherwise = "INV-1") => s.snap?.selected?.invoices.findLast((one) => one.state !== "paid")?.number ?? otherwise;

function openMail(answering) {
  s.answering = answering ?? { subject: "", rfc_id: null, from: null };
  const subject = s.answering.subject;
  $("mail-subject").value = answering && !/^re:/i.test(subject) ? `Re: ${subject}` : subject;
  draw();
  (answering ? $("mail-body") : $("mail-subject")).focus();
}

function closeMail() {
  s.answering = null;
  $("mail-form").reset();
}

function wireWriting() {
  composer("text-form", "text-body", (body) => act("text", { phone: s.snap.selected.phone.number, body }));
  composer("mail-form", "mail-body", async (body) => {
    const { address } = s.snap.selected.mailbox;
    const sent = await act("mail", { mailbox: address, subject: $("mail-subject").value, body, in_reply_to: s.answering?.rfc_id ?? null });
    if (sent) closeMail();
    draw();
    return sent;
  });
  composer("say-form", "say-text", async (typed) => {
    hints([]);
    const text = typed.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"); // as Slack's own clients do
    const sent = await act("say", { channel: s.channel, text, thread: s.thread?.ts ?? null });
    $("posts").scrollTop = $("posts").scrollHeight;
    return sent;
  });
  enterSends($("text-body"));
  wireCommands($("say-text"));
  enterSends($("say-text"));
  $("mail-new").onclick = () => openMail(null);
  $("mail-cancel").onclick = () => {
    closeMail();
    draw();
  };
  $("viewer").onchange = (event) => on.become(event.target.value);
  patch($("text-ideas"), Object.keys(IDEAS).map((name) => h("button", { key: name, type: "button", class: "chip", onclick: () => {
    $("text-body").value = idea(name);
    $("text-body").focus();
  } }, name)));
}

const COMMANDS = [
  ["/acct CLIENT", "the client’s card"], ["/acct why CLIENT", "what was decided, and why"],
  ["/acct why INVOICE", "why it was sent or held"], ["/acct timeline CLIENT", "everything that happened"],
  ["/acct pause CLIENT 7d ", "stop reminders, with a reason"], ["/acct resume CLIENT", "go on"],
  ["/acct help", "all the words"],
];
let hinted = [];
let picked = -1;

function hints(list) {
  hinted = list;
  picked = -1;
  drawHints();
}

function drawHints() {
  const field = $("say-text");
  $("commands").hidden = !hinted.length;
  field.setAttribute("aria-expanded", String(hinted.length > 0));
  field.setAttribute("aria-activedescendant", picked < 0 ? "" : `command-${picked}`);
  patch($("commands"), hinted.map(([command, meaning], place) =>
    h("li", { key: command, id: `command-${place}`, role: "option", "aria-selected": String(place === picked), onmousedown: (event) => {
      event.preventDefault();
      complete(place);
    } }, h("code", null, command), " ", h("span", null, meaning))));
  $(`command-${picked}`)?.scrollIntoView({ block: "nearest" });
}

function complete(place) {
  $("say-text").value = hinted[place][0];
  hints([]);
}

function fitting(typed) {
  if (!typed.startsWith("/")) return [];
  const client = s.client ?? "CLIENT";
  const invoice = openInvoice("INVOICE");
  return COMMANDS.map(([command, meaning]) => [command.replace("CLIENT", client).replace("INVOICE", invoice), meaning])
    .filter(([command]) => command.startsWith(typed) && command.trim() !== typed.trim());
}

function wireCommands(field) {
  field.addEventListener("input", () => hints(fitting(field.value)));
  field.addEventListener("blur", () => hints([]));
  field.addEventListener("keydown", (event) => {
    if (!hinted.length) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) picked = (picked + step + hinted.length + (picked < 0 && step < 0 ? 1 : 0)) % hinted.length;
    else if (event.key === "Tab" && !event.shiftKey) complete(Math.max(picked, 0));
    else if (event.key === "Enter" && picked >= 0) complete(picked);
    else if (event.key === "Escape") hints([]);
    else return;
    event.preventDefault();
    if (hinted.length) drawHints();
  });
}

// ── drawing ───────────────────────────────────────────────────────────────────────────────────

function draw(moved = false) {
  if (!s.snap) return;
  const { live, selected, slack, clients } = s.snap;
  if (!narrow() || s.pane === "slack") s.readTo.set(s.channel, panes.channel(s)?.messages.length ?? 0);
  document.body.classList.add("ready");
  $("desk").dataset.pane = s.pane;
  patch($("clock"), panes.clock(s, on));
  patch($("live"), panes.live(s, on));
  $("strip").hidden = false;
  $("strip").className = `strip ${live.open ? "is-open" : "is-closed"}`;
  $("strip").textContent = live.note || "Live: what passes the door goes to the phone and the mailbox on this page, and nowhere else.";
  patch($("tabs"), panes.tabs(s, on));
  $("rail-count").textContent = clients.length;
  patch($("filters"), panes.filters(s, on));
  patch($("clients"), panes.clients(s, on));
  patch($("totals"), panes.totals(s));
  patch($("who"), panes.who(s, on));
  $("phone-sub").textContent = selected?.phone.number ? selected.phone.number : "";
  follow($("texts"), () => patch($("texts"), panes.texts(s, on)), moved);
  able("text-form", Boolean(selected?.phone.number));
  drawMail(selected);
  const own = panes.channel(s)?.name.startsWith("#") ?? true;
  $("slack-sub").textContent = own ? "as" : `as ${panes.actor(s)}`;
  $("viewer").hidden = !own;
  patch($("viewer"), panes.people(s));
  $("viewer").value = slack.user.id;
  patch($("channels"), panes.channels(s, on));
  patch($("guide-bar"), panes.guideBar(s, on));
  follow($("posts"), () => patch($("posts"), panes.posts(s, on)), moved);
  if (!panes.channel(s)?.messages.length) $("posts").scrollTop = 0; // what to try is read from its top
  drawThread();
  drawModal(slack.view);
  patch($("why-body"), panes.why(s, on));
  patch($("ledger-tabs"), panes.ledgerTabs(s, on));
  $("ledger").setAttribute("aria-labelledby", `tab-${s.ledger}`);
  patch($("ledger"), panes.ledger(s, on));
}

function able(form, yes) {
  for (const field of $(form).elements) field.disabled = !yes;
}

function drawMail(selected) {
  $("mailbox-sub").textContent = selected?.mailbox.address ?? "";
  $("mail-new").disabled = !selected?.mailbox.address;
  patch($("mails"), panes.mails(s, on));
  $("mail-form").hidden = !s.answering;
  $("letter").hidden = Boolean(s.answering);
  $("mail-to").textContent = s.answering?.rfc_id ? `Answering “${s.answering.subject}”` : "A new mail from the client";
  patch($("letter"), panes.letter(s, on));
}

function drawThread() {
  $("say-thread").hidden = !s.thread;
  patch($("say-thread"), s.thread && [h("span", null, "In the thread of “", s.thread.about, "”"),
    h("button", { type: "button", class: "why-link", onclick: () => on.channel(s.channel) }, "Leave thread")]);
  const here = panes.channel(s);
  $("say-text").placeholder = s.thread ? "Reply in the thread…" : here ? `Write in ${here.name}, or type /` : "Message";
}

function drawModal(view) {
  const dialog = $("modal");
  const wanted = view && !s.gone.has(view.id);
  if (wanted) patch(dialog, panes.modal(s, on));
  if (wanted && !dialog.open) dialog.showModal();
  if (!wanted && dialog.open) dialog.close();
  if (!wanted) s.errors = null;
}

$("modal").addEventListener("cancel", (event) => {
  event.preventDefault();
  on.dismiss();
});
$("search").addEventListener("input", (event) => {
  s.query = event.target.value;
  if (s.snap) draw();
});
$("search").addEventListener("keydown", (event) => {
  const first = event.key === "Enter" && panes.found(s)[0];
  if (first) on.client(first.id);
});
$("ledger-tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const list = [...$("ledger-tabs").children];
  const next = list.at((list.indexOf(document.activeElement) + step) % list.length);
  next.click();
  next.focus();
});
wireWriting();
refresh();
listen();
