// Kinds of nodes: what they mean, and how each is marked.

import { svg } from "../dom.js";

/** @import {Kind, Role} from "../records.d.ts" */

/** @type {Record<Role, string>} */
export const MEANING = {
  necessary: "Without it the score of the class falls; it is among the strongest of those.",
  noisy: "Without it the score of the class rises: it speaks against the class.",
  minor: "It has an effect, but a weak one beside the strongest.",
  neutral: "Its effect could not be told from chance.",
  dead: "It contributes exactly nothing on every sample.",
  weak: "It was settled early to be none of the strongest; whether it has a significant effect was not asked.",
  untested: "It was left out by the budget of interventions.",
};
/**
 * @typedef {"ellipse" | "diamond" | "rectangle" | "triangle" | "vee" | "pentagon" | "hexagon" | "round-rectangle"
 *   } Shape
 */
/** @type {Record<Kind, Shape>} */
export const SHAPES = {
  necessary: "ellipse",
  noisy: "diamond",
  minor: "rectangle",
  neutral: "triangle",
  weak: "triangle",
  dead: "vee",
  untested: "pentagon",
  own: "ellipse",
  others: "hexagon",
  shared: "round-rectangle",
};
/** @type {Record<Shape, string | null>} */
const CORNERS = {
  ellipse: null,
  diamond: "7,1 13,7 7,13 1,7",
  rectangle: "2,2 12,2 12,12 2,12",
  "round-rectangle": "3,2 11,2 12,3 12,11 11,12 3,12 2,11 2,3",
  triangle: "7,1 13,12 1,12",
  vee: "1,2 7,6 13,2 7,13",
  pentagon: "7,1 13,6 11,13 3,13 1,6",
  hexagon: "4,1 10,1 13,7 10,13 4,13 1,7",
};

/**
 * Returns the shape and colour of a kind of node as a small picture.
 * @param {Kind} kind
 * @returns {SVGSVGElement}
 */
export function mark(kind) {
  const points = CORNERS[SHAPES[kind]];
  const paint = { fill: `var(--${kind})`, stroke: "var(--ink)" };
  const shape = points ? svg("polygon", { points, style: paint }) : svg("circle", { cx: 7, cy: 7, r: 6, style: paint });
  return svg("svg", { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" }, shape);
}
