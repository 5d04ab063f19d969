// Building elements. Texts are set as texts, never as markup, whatever they hold.

const SVG = "http://www.w3.org/2000/svg";

/** Returns the element of an id. */
function byId(id) {
  return document.getElementById(id);
}

/** Returns a new element; `on` holds listeners, `style` properties, everything else attributes. */
function el(tag, options = {}, ...children) {
  return filled(document.createElement(tag), options, children);
}

/** Returns a new SVG element. */
function svg(tag, options = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), options, children);
}

function filled(node, { on = {}, style = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const [name, listener] of Object.entries(on)) {
    node.addEventListener(name, listener);
  }
  for (const [name, value] of Object.entries(style)) {
    node.style.setProperty(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Puts children in the place of those a node has. */
function fill(node, ...children) {
  node.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
}

/** Returns a button. */
function button(text, act, options = {}) {
  return el("button", { type: "button", ...options, on: { click: act } }, text);
}

/** Tells those who do not see the page what has changed. */
function say(text) {
  byId("said").textContent = text;
}
