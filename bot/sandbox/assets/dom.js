// How does a tree of plain values become the page without losing focus, scroll or typed text?
//
// h() makes a value, patch() moves the page towards it: children are matched by key (or by place
// and tag), kept nodes are never replaced, and a field's value is set once, when it is born.

export function h(tag, props, ...children) {
  const { key = null, ...rest } = props ?? {};
  return { tag, key, props: rest, children: flat(children) };
}

function flat(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "")
    .map((child) => (typeof child === "object" ? child : String(child)));
}

const FACES = new WeakMap(); // element → the props it was last given
const SLOTS = new WeakMap(); // node → its name among its siblings
const FIELDS = "input, textarea, select, option, details";
const BORN_WITH = new Set(["value", "checked", "selected", "open"]);

export function patch(parent, wanted) {
  const list = flat([wanted]);
  const old = new Map();
  for (const node of parent.childNodes) if (SLOTS.has(node)) old.set(SLOTS.get(node), node);
  const nodes = list.map((want, place) => {
    const name = slot(want, place);
    const node = old.get(name) ?? create(want);
    old.delete(name);
    SLOTS.set(node, name);
    return node;
  });
  const staying = new Set(nodes);
  for (const node of [...parent.childNodes]) if (!staying.has(node)) node.remove();
  let cursor = parent.firstChild;
  nodes.forEach((node, place) => {
    if (node === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(node, cursor);
    if (typeof list[place] !== "string") dress(node, list[place]);
    else if (node.data !== list[place]) node.data = list[place];
  });
}

function slot(want, place) {
  if (typeof want === "string") return `#text ${place}`;
  return want.key === null ? `${want.tag} ${place}` : `${want.tag} =${want.key}`;
}

const SVG = new Set(["svg", "path", "circle", "rect"]);

function create(want) {
  if (typeof want === "string") return document.createTextNode(want);
  return SVG.has(want.tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", want.tag)
    : document.createElement(want.tag);
}

function dress(node, { props, children }) {
  const before = FACES.get(node);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) node[name] = value;
    else if (BORN_WITH.has(name) && node.matches(FIELDS)) before || (node[name] = value);
    else if (before?.[name] !== value) set(node, name, value);
  }
  for (const name of Object.keys(before ?? {}))
    if (!(name in props)) name.startsWith("on") ? (node[name] = null) : node.removeAttribute(name);
  FACES.set(node, props);
  if (node.tagName !== "IFRAME") patch(node, children);
}

function set(node, name, value) {
  if (value === false || value === null || value === undefined) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}

const atEnd = (scroller) => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;

/**
 * Keeps a list at its end while the reader is there, and leaves it alone when they are not: then
 * the button after it says that there is more.
 */
export function follow(scroller, change, jump = false) {
  const near = atEnd(scroller);
  const count = scroller.children.length;
  const more = scroller.nextElementSibling;
  change();
  if (jump || near) scroller.scrollTop = scroller.scrollHeight;
  else if (scroller.children.length > count) more.hidden = false;
  scroller.onscroll = () => (more.hidden ||= atEnd(scroller));
  more.onclick = () => {
    scroller.scrollTop = scroller.scrollHeight;
    scroller.focus();
  };
  if (jump) more.hidden = true;
}
