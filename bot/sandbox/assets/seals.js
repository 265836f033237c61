// What can be seen and done of what is sealed? The emoji beside a card, its menu, and the log of
// who sealed, read and unsealed what. No word of a client that is sealed comes this way.

import { sign } from "./blockkit.js";
import { h } from "./dom.js";

/** The shortcuts of the app's manifest, as the menu of a message offers them. */
const SHORTCUTS = { seal_privileged: "Seal as legal advice", seal_phi: "Seal as health", unseal: "Unseal", say_matter: "Say which matter" };

/** The emoji that people set beside a message, and, where a client wrote it, the lock and the menu. */
export function marks(one, me, on) {
  if (one.ephemeral) return null;
  const set = one.reactions.map(({ emoji, users }) => h("button", {
    key: emoji, type: "button", class: "react", "aria-pressed": users.includes(me) ? "true" : "false",
    "aria-label": `:${emoji}: by ${users.join(", ")}`, title: `${users.join(", ")} reacted with :${emoji}:`,
    onclick: () => on.react(one.ts, emoji) }, sign(emoji), " ", users.length));
  const offered = one.said?.sealed ? "unlock" : "lock";
  const offer = one.said && !one.reactions.some(({ emoji, users }) => emoji === offered && users.includes(me));
  if (!set.length && !one.said) return null;
  return h("div", { class: "marks" }, set,
    offer && h("button", { key: `offer ${offered}`, type: "button", class: "react offer", "aria-label": `React with :${offered}:`,
      title: offered === "lock" ? "Seal it as legal advice" : "Take the seal off: only who is cleared for it can",
      onclick: () => on.react(one.ts, offered) }, sign(offered), ` :${offered}:`),
    one.said && h("select", { key: "menu", class: "menu", "aria-label": "More actions", onchange: (event) => {
      const chosen = event.target.value;
      event.target.value = "";
      if (chosen) on.shortcut(one.ts, chosen);
    } }, h("option", { value: "" }, "More actions"),
    Object.entries(SHORTCUTS).map(([id, label]) => h("option", { value: id }, label))));
}

const DID = { sealed: "sealed it", unsealed: "took the seal off", read: "read it" };

/** Everything that is sealed or once was, as whoever asks for the privilege log sees it. */
export function record(s, on, { badge, empty, time, me }) {
  const rows = s.snap.sealed;
  if (!rows.length)
    return empty("Nothing is sealed.", "Legal advice and health that a client writes of are sealed as they come in, and listed here without their words.");
  return [
    h("p", { key: "note", class: "zone" }, "What is withheld and who has looked, without a word of it. ", h("code", null, "counterfoil privilege log")),
    h("ul", { key: "rows", class: "rows" }, rows.map((row) => h("li", { key: row.touchpoint, class: "sealed-row" }, entry(row, on, { badge, time, me }))))];
}

function entry(row, on, { badge, time, me }) {
  return [
    h("p", { class: "sealed-head" }, h("strong", null, row.client), " ", badge(row.sealed ? "sealed" : "unsealed")),
    h("dl", { class: "facts" },
      fact("From", [row.who, " by ", row.channel === "sms" ? "SMS" : row.channel, ", ", time(row.at)]),
      fact("What", row.log ? `${row.log.description} (${row.log.privilege})` : row.what),
      row.log && fact("Basis", row.log.basis),
      row.log?.matter && fact("Matter", row.log.matter),
      row.sealed && fact("May be known", row.fact || "nothing")),
    row.looks.length > 0 && h("ol", { class: "looks", "aria-label": "Who looked" }, row.looks.map((look) =>
      h("li", null, time(look.at), " ", h("strong", null, look.by), " ", DID[look.what]))),
    h("p", { class: "sealed-acts" },
      h("button", { type: "button", class: "quiet", onclick: () => on.showSaid(row.touchpoint) }, "Show in Slack"),
      row.sealed && h("button", { type: "button", class: "quiet", onclick: () => on.readSealed(row) }, `Read it as ${me}`)),
  ];
}

const fact = (name, value) => h("div", { key: name }, h("dt", null, name), h("dd", null, value));
