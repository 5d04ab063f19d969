// The heat map of effects: a row for each layer, a cell for each node.

import { ROLES, heldNodes, nodeOf, overview } from "../data.js";
import { byId, el, fill, svg } from "../dom.js";
import { short, signed } from "../format.js";
import { pen } from "./maps.js";
import { choose, onChange, shownGraphs, state } from "../state.js";
import { table } from "./tables.js";
import { colour } from "../theme.js";
import { toldOf } from "../told.js";

/** @import {Graph, Layer, LayerNode} from "../records.d.ts" */
/** @import {Column} from "./tables.js" */

/** @typedef {{at: number, graph: Graph}} HeatRow */

const DECADES = 100;
const CELLS = 900;
const LINE_HEIGHT = 32;
const EFFECTS = 20;
const ROLE_STRIP = 5;

/** Keeps the heat map; it is drawn when it comes into sight. */
export function setUpHeatMap() {
  let isSeen = false;
  let isStale = true;
  const draw = () => {
    if (isSeen && isStale && state.graph) {
      isStale = false;
      drawHeatMap();
    }
  };
  const stale = () => {
    isStale = true;
    // Room is kept, so that links to what comes below lead there.
    byId("heat").style.minHeight = `${overview.layers.length * (state.other ? 2 : 1) * LINE_HEIGHT + 90}px`;
    draw();
  };
  onChange("class", stale);
  onChange("theme", stale);
  new IntersectionObserver(
    (entries) => {
      isSeen = entries.some((entry) => entry.isIntersecting);
      draw();
    },
    { rootMargin: "400px" },
  ).observe(byId("effects"));
  window.addEventListener("beforeprint", () => {
    isSeen = true;
    draw();
  });
}

function drawHeatMap() {
  const graphs = shownGraphs();
  const largest = Math.max(...graphs.flatMap((graph) => graph.layers.map((layer) => layer.largest))) || 1;
  const rows = overview.layers.flatMap((_, at) => graphs.map((graph) => ({ at, graph })));
  /** @type {(row: HeatRow) => string} */
  const whose = (row) =>
    graphs.length > 1 ? `${overview.layers[row.at].name}, class ${row.graph.info.title}` : overview.layers[row.at].name;
  /** @type {Column<HeatRow>[]} */
  const columns = [
    { title: "layer", cell: (row) => short(whose(row), 40) },
    { title: "nodes", number: true, cell: (row) => String(overview.layers[row.at].parents) },
    { title: "effects, and below them roles", cell: (row) => heatRow(row.graph, row.graph.at.get(row.at), largest) },
  ];
  fill(byId("heat"), table("Effects by layer", columns, rows), scale(largest));
}

/**
 * @param {Graph} graph
 * @param {Layer | undefined} layer
 * @param {number} largest
 * @returns {HTMLCanvasElement | string}
 */
function heatRow(graph, layer, largest) {
  if (!layer?.reached) {
    return layer?.leftOut ? "left out" : "not reached";
  }
  const canvas = el("canvas", {
    width: CELLS,
    height: EFFECTS + ROLE_STRIP,
    role: "img",
    "aria-label": heatTold(graph, layer),
  });
  /** @type {(event: MouseEvent) => LayerNode | null} */
  const pointed = (event) =>
    nodeOf(graph, layer.at, Math.floor((event.offsetX / canvas.clientWidth) * layer.parents));
  canvas.addEventListener("mousemove", (event) => {
    const node = pointed(event);
    byId("heat-told").textContent = node ? toldOf(layer.at, node.index).join(": ") : "";
  });
  canvas.addEventListener("click", (event) => {
    const node = pointed(event);
    if (node) {
      choose(layer.at, node.index);
      byId("graph").scrollIntoView();
    }
  });
  paintRow(canvas, layer, largest);
  return canvas;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Layer} layer
 * @param {number} largest
 */
function paintRow(canvas, layer, largest) {
  const context = pen(canvas);
  const width = CELLS / layer.parents;
  const [red, blue, zero] = ["necessary", "noisy", "zero"].map((name) => rgb(colour(name)));
  const paints = new Map(ROLES.map((role) => [role, colour(role)]));
  context.fillStyle = colour("paper");
  context.fillRect(0, 0, CELLS, EFFECTS + ROLE_STRIP);
  layer.nodes.forEach((index, place) => {
    const share = logShare(layer.ate[place] ?? 0, largest);
    context.fillStyle = mixed(zero, share < 0 ? red : blue, Math.abs(share));
    context.fillRect(index * width, 0, Math.max(width, 1), EFFECTS);
    context.fillStyle = paints.get(ROLES[Number(layer.roles[place])]) ?? "";
    context.fillRect(index * width, EFFECTS, Math.max(width, 1), ROLE_STRIP);
  });
}

/**
 * @param {Graph} graph
 * @param {Layer} layer
 * @returns {string}
 */
function heatTold(graph, layer) {
  const tested = heldNodes(graph, layer).flatMap(({ ate, index }) => (ate === null ? [] : [{ ate, index }]));
  if (!tested.length) {
    return "no node tested";
  }
  const low = tested.reduce((one, two) => (two.ate < one.ate ? two : one));
  const high = tested.reduce((one, two) => (two.ate > one.ate ? two : one));
  return `lowest effect ${signed(low.ate)} at node ${low.index}, highest ${signed(high.ate)} at node ${high.index}`;
}

/**
 * Returns -1 to 1: logarithmic down to a hundredth of the largest effect, linear below.
 * @param {number} value
 * @param {number} largest
 * @returns {number}
 */
function logShare(value, largest) {
  const size = (Math.abs(value) / largest) * DECADES;
  const share = size <= 1 ? size / (1 + Math.log(DECADES)) : (1 + Math.log(size)) / (1 + Math.log(DECADES));
  return Math.sign(value) * share;
}

/**
 * @param {number} largest
 * @returns {HTMLElement}
 */
function scale(largest) {
  const values = [-1, -0.1, -0.01, 0, 0.01, 0.1, 1];
  const [red, blue, zero] = ["necessary", "noisy", "zero"].map((name) => rgb(colour(name)));
  const cells = values.map((value) => {
    const share = logShare(value, 1);
    const paint = mixed(zero, share < 0 ? red : blue, Math.abs(share));
    const swatch = svg(
      "svg",
      { width: 28, height: 12, "aria-hidden": "true" },
      svg("rect", { width: 28, height: 12, style: { fill: paint } }),
    );
    return el("span", {}, swatch, ` ${signed(value * largest, 2)} `);
  });
  return el("p", { class: "small" }, ...cells);
}

/**
 * @param {string} text
 * @returns {number[]}
 */
function rgb(text) {
  return [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16));
}

/**
 * @param {number[]} from
 * @param {number[]} to
 * @param {number} share
 * @returns {string}
 */
function mixed(from, to, share) {
  return `rgb(${from.map((value, place) => Math.round(value + (to[place] - value) * share)).join(" ")})`;
}
