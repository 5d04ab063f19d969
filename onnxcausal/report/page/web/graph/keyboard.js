// The graph by keyboard.

import { overview } from "../data.js";
import { byId, say } from "../dom.js";
import { drawing, tip, zoom } from "./drawing.js";
import { fit, tapped } from "./graph.js";
import { LINE } from "./layout.js";
import { letGo } from "../state.js";
import { toldOf } from "../told.js";

/** @type {Record<string, [across: number, down: number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** @type {string | null} */
let cursor = null;

/** Lets the graph be walked by keys. */
export function setUpKeyboard() {
  byId("canvas").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (acted(event.key)) {
      event.preventDefault();
    }
  });
}

/**
 * @param {string} key
 * @returns {boolean} whether it is one of the graph's keys
 */
function acted(key) {
  if (key in ARROWS) {
    walk(...ARROWS[key]);
  } else if (key === "Enter" || key === " ") {
    enter();
  } else if (key === "+" || key === "=") {
    zoom(1.3);
  } else if (key === "-") {
    zoom(1 / 1.3);
  } else if (key === "0") {
    fit();
  } else if (key === "Escape") {
    letGo();
  } else {
    return false;
  }
  return true;
}

/**
 * Moves the cursor to the nearest element in a direction.
 * @param {number} across
 * @param {number} down
 */
function walk(across, down) {
  const cy = drawing();
  const places = cy.nodes(".node, .bar, .outcome");
  const from = cy.getElementById(cursor ?? "");
  const next = from.length ? nearest(places, from, across, down) : places[0];
  if (!next) {
    return;
  }
  cursor = next.id();
  cy.nodes(".chosen").removeClass("chosen");
  next.addClass("chosen");
  bringIntoView(next);
  say(saidOf(next));
  tip(next);
}

/**
 * @param {cytoscape.NodeCollection} places
 * @param {cytoscape.NodeSingular} from
 * @param {number} across
 * @param {number} down
 * @returns {cytoscape.NodeSingular | null}
 */
function nearest(places, from, across, down) {
  const here = from.position();
  /** @type {cytoscape.NodeSingular | null} */
  let best = null;
  let least = Infinity;
  for (const node of places) {
    const dx = node.position("x") - here.x;
    const dy = node.position("y") - here.y;
    const along = across * dx + down * dy;
    const beside = Math.abs(across ? dy : dx);
    const isBeside = !across || beside < LINE / 2;
    // Between layers the next line counts before what stands straight below.
    const cost = across ? along : along * 1000 + beside;
    if (along > 1 && isBeside && cost < least) {
      [best, least] = [node, cost];
    }
  }
  return best;
}

function enter() {
  const element = drawing().getElementById(cursor ?? "");
  if (!element.length) {
    return;
  }
  tapped(element);
  if (!element.hasClass("bar")) {
    byId("node").focus();
  }
}

/** @param {cytoscape.NodeSingular} element */
function bringIntoView(element) {
  const cy = drawing();
  const { x, y } = element.renderedPosition();
  const margin = 40;
  const dx = x < margin ? margin - x : x > cy.width() - margin ? cy.width() - margin - x : 0;
  const dy = y < margin ? margin - y : y > cy.height() - margin ? cy.height() - margin - y : 0;
  if (dx || dy) {
    cy.panBy({ x: dx, y: dy });
  }
}

/**
 * @param {cytoscape.NodeSingular} element
 * @returns {string}
 */
function saidOf(element) {
  if (element.hasClass("outcome")) {
    return `outcome, ${element.data("label")}`;
  }
  const at = element.data("at");
  return element.hasClass("bar")
    ? `layer ${overview.layers[at].name}, closed, Enter opens it`
    : toldOf(at, element.data("index")).join(", ");
}
