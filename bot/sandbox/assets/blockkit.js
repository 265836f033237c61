// How does Slack's Block Kit look and act here? Blocks and mrkdwn in, h() values out.

import { h } from "./dom.js";

const EMOJI = {
  white_check_mark: "✅", heavy_check_mark: "✔️", warning: "⚠️", clock3: "🕒", clock8: "🕗", bell: "🔔",
  lock: "🔒", unlock: "🔓", ledger: "📒", moneybag: "💰", email: "✉️", envelope: "✉️", incoming_envelope: "📨",
  outbox_tray: "📤", inbox_tray: "📥", iphone: "📱", speech_balloon: "💬", telephone_receiver: "📞",
  calendar: "📅", date: "📅", hourglass: "⌛", hourglass_flowing_sand: "⏳", no_entry: "⛔",
  no_entry_sign: "🚫", octagonal_sign: "🛑", x: "❌", question: "❓", eyes: "👀", wave: "👋",
  rotating_light: "🚨", red_circle: "🔴", large_orange_circle: "🟠", large_yellow_circle: "🟡",
  large_green_circle: "🟢", white_circle: "⚪", double_vertical_bar: "⏸️", arrow_forward: "▶️",
  arrow_right: "➡️", scales: "⚖️", handshake: "🤝", bar_chart: "📊", chart_with_upwards_trend: "📈",
  memo: "📝", pushpin: "📌", tada: "🎉", robot_face: "🤖", shield: "🛡️", page_facing_up: "📄",
  receipt: "🧾", repeat: "🔁", link: "🔗", mag: "🔍", zzz: "💤", pencil2: "✏️", credit_card: "💳",
  information_source: "ℹ️", bulb: "💡", busts_in_silhouette: "👥", bust_in_silhouette: "👤",
};

/** What the product's own cards need is drawn, for not every machine has a font of emoji. */
const DRAWN = {
  lock: "M4 7.5h8v6H4zM5.7 7.5V5.2a2.3 2.3 0 0 1 4.6 0v2.3", unlock: "M4 7.5h8v6H4zM5.7 7.5V4.7a2.3 2.3 0 0 1 4.5-.6",
  warning: "M8 2.6l5.8 10.6H2.2zM8 6.6v3M8 11.3v.2",
  paperclip: "M12.6 7.4l-4.7 4.7a2.6 2.6 0 0 1-3.7-3.7l5-5a1.7 1.7 0 0 1 2.4 2.4l-4.9 4.9a.8.8 0 0 1-1.1-1.1l4.4-4.4",
};
export const sign = (name) => DRAWN[name]
  ? h("svg", { viewBox: "0 0 16 16", class: `sign ${name}`, role: "img", "aria-label": name }, h("path", { d: DRAWN[name] }))
  : EMOJI[name] ?? `:${name}:`;
const signs = (text) => unescape(text).split(/:([a-z0-9_+-]+):/).map((part, place) => (place % 2 ? sign(part) : part));

const unescape = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
const emoji = (text) => text.replace(/:([a-z0-9_+-]+):/g, (all, name) => EMOJI[name] ?? all);
const plain = (text) => emoji(unescape(text));
const safeUrl = (url) => (/^(https?:|mailto:|tel:|sms:)/i.test(url) ? url : null);

/** One line of mrkdwn as inline values. */
const INLINE =
  /`([^`\n]+)`|<([^<>\n]+)>|(?<![\w*])\*(?=\S)([^*\n]*[^*\s])\*(?![\w*])|(?<![\w_])_(?=\S)([^_\n]*[^_\s])_(?![\w_])|(?<![\w~])~(?=\S)([^~\n]*[^~\s])~(?![\w~])/g;

function inline(text, names) {
  const out = [];
  let at = 0;
  for (const hit of text.matchAll(INLINE)) {
    if (hit.index > at) out.push(signs(text.slice(at, hit.index)));
    at = hit.index + hit[0].length;
    const [all, code, angle, bold, italic, strike] = hit;
    if (code !== undefined) out.push(h("code", null, unescape(code)));
    else if (angle !== undefined) out.push(reference(angle, names));
    else if (bold !== undefined) out.push(h("strong", null, inline(bold, names)));
    else if (italic !== undefined) out.push(h("em", null, inline(italic, names)));
    else if (strike !== undefined) out.push(h("s", null, inline(strike, names)));
    else out.push(all);
  }
  if (at < text.length) out.push(signs(text.slice(at)));
  return out;
}

function reference(angle, names) {
  const [target, label] = angle.split("|");
  if (target.startsWith("@"))
    return h("span", { class: "mention" }, "@", label ?? names?.[target.slice(1)] ?? target.slice(1));
  if (target.startsWith("#")) return h("span", { class: "mention" }, "#", label ?? names?.[target.slice(1)] ?? target.slice(1));
  if (target.startsWith("!date")) return label ?? target.split("^")[2] ?? target;
  if (target.startsWith("!")) return h("span", { class: "mention" }, "@", label ?? target.slice(1));
  const url = safeUrl(unescape(target));
  const words = plain(label ?? target.replace(/^(mailto|tel):/, ""));
  return url ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, words) : words;
}

export function mrkdwn(text, names) {
  return (text ?? "").split(/```/).map((part, place) =>
    place % 2 ? h("pre", null, unescape(part.replace(/^\n|\n$/g, ""))) : lines(part, names));
}

function lines(text, names) {
  const out = [];
  for (const line of text.replace(/^\n|\n$/g, "").split("\n")) {
    const quoted = line.match(/^(?:&gt;|>)\s?(.*)/);
    if (quoted) out.push(h("q", { class: "quoted" }, inline(quoted[1], names)));
    else {
      if (out.length && out.at(-1)?.tag !== "q") out.push(h("br"));
      out.push(inline(line, names));
    }
  }
  return out;
}

const text = (object, names) =>
  object?.type === "mrkdwn" ? mrkdwn(object.text, names)
    : (object?.emoji === false ? unescape : plain)(object?.text ?? "").split("\n").flatMap((line, place) => (place ? [h("br"), line] : [line]));
const word = (object) => plain(object?.text ?? "");

/** What a message says, without its shape: for searching and for screen readers. */
export function words(blocks) {
  return (blocks ?? [])
    .flatMap((block) => [block.text?.text, ...(block.fields ?? []).map((one) => one.text),
      ...(block.elements ?? []).map((one) => (typeof one.text === "string" ? one.text : one.text?.text))])
    .filter(Boolean)
    .join("\n");
}

/**
 * Blocks of a message (or of a modal, with `errors`). `act(action_id, value, element)` is called
 * when a control is used.
 */
export function blocks(list, { names, act, errors }) {
  return (list ?? []).map((block, place) => {
    const draw = BLOCKS[block.type];
    const body = draw ? draw(block, { names, act, errors })
      : h("p", { class: "bk-unknown" }, `A block of kind “${block.type}” is not drawn here.`);
    return h("div", { key: block.block_id ?? place, class: `bk bk-${block.type}` }, body);
  });
}

const BLOCKS = {
  header: (block) => h("h3", null, word(block.text)),
  divider: () => h("hr"),
  section: (block, tools) => [
    h("div", { class: "bk-body" },
      block.text && h("div", { class: "bk-text" }, text(block.text, tools.names)),
      block.fields && h("div", { class: "bk-fields" },
        block.fields.map((field) => h("div", null, text(field, tools.names))))),
    block.accessory && h("div", { class: "bk-accessory" }, element(block.accessory, tools)),
  ],
  context: (block, tools) => block.elements.map((one) =>
    one.type === "image" ? picture(one) : h("span", null, text(one, tools.names))),
  actions: (block, tools) => block.elements.map((one) => element(one, tools)),
  image: (block) => h("figure", null, picture(block), block.title && h("figcaption", null, word(block.title))),
  markdown: (block, tools) => h("div", { class: "bk-text" }, mrkdwn(block.text.replace(/\*\*(.+?)\*\*/g, "*$1*"), tools.names)),
  rich_text: (block, tools) => block.elements.map((one) => rich(one, tools.names)),
  input: (block, tools) => {
    const id = `in-${block.block_id}-${block.element.action_id}`;
    const error = tools.errors?.[block.block_id];
    const group = ["checkboxes", "radio_buttons"].includes(block.element.type);
    return h(group ? "fieldset" : "div", { class: "field" },
      h(group ? "legend" : "label", group ? null : { for: id }, word(block.label),
        block.optional && h("span", { class: "optional" }, " optional")),
      element(block.element, { ...tools, id, block: block.block_id, invalid: Boolean(error), required: !block.optional }),
      block.hint && h("p", { class: "hint" }, word(block.hint)),
      error && h("p", { class: "error", role: "alert" }, error));
  },
};

function picture(image) {
  return image.image_url?.startsWith("data:")
    ? h("img", { src: image.image_url, alt: image.alt_text ?? "" })
    : h("span", { class: "bk-alt" }, image.alt_text ? `Picture: ${image.alt_text}` : "Picture");
}

function rich(part, names) {
  const kids = () => (part.elements ?? []).map((one) => rich(one, names));
  switch (part.type) {
    case "rich_text_section": return h("p", null, kids());
    case "rich_text_list": return h(part.style === "ordered" ? "ol" : "ul", null, kids().map((one) => h("li", null, one)));
    case "rich_text_quote": return h("q", { class: "quoted" }, kids());
    case "rich_text_preformatted": return h("pre", null, kids());
    case "link": return reference(part.text ? `${part.url}|${part.text}` : part.url, names);
    case "user": return reference(`@${part.user_id}`, names);
    case "channel": return reference(`#${part.channel_id}`, names);
    case "emoji": return EMOJI[part.name] ?? `:${part.name}:`;
    case "text": {
      const style = part.style ?? {};
      const tag = style.code ? "code" : style.bold ? "strong" : style.italic ? "em" : style.strike ? "s" : null;
      return tag ? h(tag, null, part.text) : part.text;
    }
    default: return part.text ?? "";
  }
}

function element(one, tools) {
  const draw = ELEMENTS[one.type];
  return draw ? draw(one, tools) : h("span", { class: "bk-alt" }, `A “${one.type}” is not drawn here.`);
}

const naming = (one, tools) => ({
  id: tools.id ?? null,
  "data-block": tools.block ?? null, "data-action": one.action_id, "data-type": one.type,
  "aria-label": tools.id ? null : word(one.placeholder) || one.action_id,
  "aria-invalid": tools.invalid ? "true" : null, required: tools.required ?? null,
});

function choose(one, tools, picked) {
  const groups = one.option_groups ?? [{ options: one.options ?? [] }];
  const option = (item) => h("option", { value: item.value, selected: item.value === picked }, word(item.text));
  return h("select", {
    key: one.action_id, ...naming(one, tools),
    onchange: tools.block ? null : (event) => {
      if (event.target.value) tools.act(one.action_id, event.target.value, one);
    },
  },
    picked ? null : h("option", { value: "" }, word(one.placeholder) || "Choose…"),
    groups.map((group) => (group.label ? h("optgroup", { label: word(group.label) }, group.options.map(option)) : group.options.map(option))));
}

function many(one, tools, type) {
  const initial = new Set((one.initial_options ?? (one.initial_option ? [one.initial_option] : [])).map((item) => item.value));
  return h("div", { class: "many", "data-block": tools.block ?? null, "data-action": one.action_id, "data-type": one.type },
    one.options.map((item) => h("label", { class: "check" },
      h("input", { type, name: `${tools.block}-${one.action_id}`, value: item.value, checked: initial.has(item.value),
        onchange: tools.block ? null : (event) => tools.act(one.action_id, event.target.value, one) }),
      h("span", null, word(item.text), item.description && h("small", null, word(item.description))))));
}

const written = (type, initial) => (one, tools) => h("input", {
  key: one.action_id, type, value: one[initial] ?? "", placeholder: word(one.placeholder) || null,
  maxlength: one.max_length ?? null, step: one.is_decimal_allowed ? "any" : null, ...naming(one, tools),
  onchange: tools.block ? null : (event) => tools.act(one.action_id, event.target.value, one),
});

const ELEMENTS = {
  button: (one, tools) => one.url
    ? h("a", { key: one.action_id, class: `bk-button ${one.style ?? ""}`, href: safeUrl(one.url) ?? "#", target: "_blank", rel: "noopener noreferrer",
      onclick: () => tools.act(one.action_id, one.value ?? "", { ...one, confirm: null }) }, word(one.text))
    : h("button", { key: `${one.action_id} ${one.value ?? ""}`, type: "button", class: `bk-button ${one.style ?? ""}`,
      "aria-label": one.accessibility_label ?? null,
      onclick: () => tools.act(one.action_id, one.value ?? "", one) }, word(one.text)),
  static_select: (one, tools) => choose(one, tools, one.initial_option?.value),
  overflow: (one, tools) => choose({ ...one, placeholder: { text: "More…" } }, tools, null),
  users_select: (one, tools) => choose({ ...one, options: people(tools.names) }, tools, one.initial_user),
  checkboxes: (one, tools) => many(one, tools, "checkbox"),
  radio_buttons: (one, tools) => many(one, tools, "radio"),
  datepicker: written("date", "initial_date"),
  timepicker: written("time", "initial_time"),
  number_input: written("number", "initial_value"),
  email_text_input: written("email", "initial_value"),
  image: picture,
  plain_text_input: (one, tools) => one.multiline
    ? h("textarea", { key: one.action_id, rows: 4, value: one.initial_value ?? "", maxlength: one.max_length ?? null,
      placeholder: word(one.placeholder) || null, ...naming(one, tools) })
    : written("text", "initial_value")(one, tools),
};

const people = (names) => Object.entries(names ?? {}).filter(([id]) => /^[UW]/.test(id))
  .map(([id, name]) => ({ value: id, text: { text: name } }));

/** The fields of an open modal as Slack's ``view.state.values``. */
export function values(form) {
  const state = {};
  for (const field of form.querySelectorAll("[data-block]")) {
    const { block, action, type } = field.dataset;
    (state[block] ??= {})[action] = { type, ...read(field, type) };
  }
  return state;
}

/** A sentence for each field that must be filled in and is not; null when there is none. */
export function unfilled(form) {
  const empty = [...form.querySelectorAll("[data-block][required]")].filter((field) => !field.value?.trim());
  return empty.length ? Object.fromEntries(empty.map((field) => [field.dataset.block, "Fill this in first."])) : null;
}

function read(field, type) {
  const option = (value, label) => ({ text: { type: "plain_text", text: label }, value });
  const ticked = () => [...field.querySelectorAll("input:checked")].map((one) => option(one.value, one.parentElement.textContent.trim()));
  switch (type) {
    case "datepicker": return { selected_date: field.value || null };
    case "timepicker": return { selected_time: field.value || null };
    case "users_select": return { selected_user: field.value || null };
    case "checkboxes": return { selected_options: ticked() };
    case "radio_buttons": return { selected_option: ticked()[0] ?? null };
    case "static_select":
      return { selected_option: field.value ? option(field.value, field.selectedOptions[0].textContent) : null };
    default: return { value: field.value === "" ? null : field.value };
  }
}
