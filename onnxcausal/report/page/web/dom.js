// Building elements. Texts are set as texts, never as markup, whatever they hold.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node | string | null | undefined} Child What an element may hold; nothing is left out. */
/** @typedef {{[Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void}} Listeners */
/**
 * `on` holds listeners, `style` properties, everything else attributes.
 * @typedef {{on?: Listeners, style?: Record<string, string>, [attribute: string]: unknown}} Options
 */

/**
 * Returns the element of an id, which the page has.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  return ofKind(id, HTMLElement);
}

/**
 * Returns the element of an id, which the page has as an element of a kind.
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
export function ofKind(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) {
    throw new TypeError(`the page has no ${kind.name} called ${id}`);
  }
  return found;
}

/**
 * Returns the text of a block of data; null where the page has none of that id.
 * @param {string} id
 * @returns {string | null}
 */
export function blockText(id) {
  return document.getElementById(id)?.textContent ?? null;
}

/**
 * Returns a new element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Options} [options]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, options = {}, ...children) {
  return filled(document.createElement(tag), options, children);
}

/**
 * Returns a new SVG element.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Options} [options]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, options = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), options, children);
}

/**
 * @template {HTMLElement | SVGElement} Kind
 * @param {Kind} node
 * @param {Options} options
 * @param {Child[]} children
 * @returns {Kind}
 */
function filled(node, { on = {}, style = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const [name, listener] of Object.entries(on)) {
    node.addEventListener(name, /** @type {EventListener} */ (listener));
  }
  for (const [name, value] of Object.entries(style)) {
    node.style.setProperty(name, value);
  }
  node.append(...present(children));
  return node;
}

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function present(children) {
  return children.filter((child) => child !== null && child !== undefined);
}

/**
 * Puts children in the place of those a node has.
 * @param {Element} node
 * @param {...Child} children
 */
export function fill(node, ...children) {
  node.replaceChildren(...present(children));
}

/**
 * Returns a button.
 * @param {string} text
 * @param {() => void} act what a click does
 * @param {Options} [options]
 * @returns {HTMLButtonElement}
 */
export function button(text, act, options = {}) {
  return el("button", { type: "button", ...options, on: { click: act } }, text);
}

/**
 * Puts the focus on the first element within another that a selector finds.
 * @param {Element} within
 * @param {string} selector
 */
export function focusOn(within, selector) {
  const found = within.querySelector(selector);
  if (found instanceof HTMLElement) {
    found.focus();
  }
}

/**
 * Shows or hides a part of the page and the link to it.
 * @param {string} id
 * @param {boolean} isShown
 */
export function showPart(id, isShown) {
  byId(id).hidden = !isShown;
  for (const link of document.querySelectorAll(`[data-part="${id}"]`)) {
    link.toggleAttribute("hidden", !isShown);
  }
}

/**
 * Tells those who do not see the page what has changed.
 * @param {string} text
 */
export function say(text) {
  byId("said").textContent = text;
}
