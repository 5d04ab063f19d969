// The drawing that Cytoscape.js keeps: what is seen of it, and what is told beside it.

import { overview } from "../data.js";
import { byId, el, fill } from "../dom.js";
import { styleOfGraph } from "./graphstyle.js";
import { colour } from "../theme.js";
import { toldOf } from "../told.js";

/** @type {cytoscape.Core | null} */
let begun = null;

/**
 * Begins the drawing, empty.
 * @returns {cytoscape.Core}
 */
export function startDrawing() {
  begun = cytoscape({
    container: byId("canvas"),
    layout: { name: "preset" },
    style: styleOfGraph(),
    minZoom: 0.05,
    maxZoom: 4,
    boxSelectionEnabled: false,
    autoungrabify: true,
    autounselectify: true,
  });
  return begun;
}

/**
 * Returns the drawing; to be asked for only once it is begun.
 * @returns {cytoscape.Core}
 */
export function drawing() {
  if (!begun) {
    throw new TypeError("the drawing is not begun yet");
  }
  return begun;
}

/**
 * Zooms about the middle of what is seen.
 * @param {number} factor
 */
export function zoom(factor) {
  const cy = drawing();
  cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
}

/**
 * Returns the whole graph as a picture, for paper.
 * @returns {string}
 */
export function pictureOfGraph() {
  return drawing().png({ full: true, bg: colour("paper"), maxWidth: 2400, maxHeight: 4800 });
}

/**
 * Shows beside a node of the drawing what it is; null shows nothing.
 * @param {cytoscape.NodeSingular | null} element
 */
export function tip(element) {
  const box = byId("tip");
  const isTold = element !== null && (element.hasClass("node") || element.hasClass("label"));
  box.hidden = !isTold;
  if (!isTold) {
    return;
  }
  const cy = drawing();
  const at = element.data("at");
  const lines = element.hasClass("node")
    ? toldOf(at, element.data("index"))
    : [overview.layers[at].name, "click to open or close"];
  fill(box, ...lines.map((line) => el("div", {}, line)));
  const { x, y } = element.renderedPosition();
  box.style.left = `${Math.max(0, Math.min(x + 16, cy.width() - box.offsetWidth - 8))}px`;
  box.style.top = `${Math.max(0, y > cy.height() / 2 ? y - box.offsetHeight - 16 : y + 16)}px`;
}
