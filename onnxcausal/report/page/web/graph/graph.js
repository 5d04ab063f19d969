// The drawing of the graph, by Cytoscape.js.

import { COMPARED, comparedScene, comparedWords } from "../panels/compare.js";
import { OUTCOME, ROLES, overview } from "../data.js";
import { byId, el, fill } from "../dom.js";
import { drawing, startDrawing, tip, zoom } from "./drawing.js";
import { counted } from "../format.js";
import { styleOfGraph } from "./graphstyle.js";
import { SHAPES, mark } from "./kinds.js";
import { placed } from "./layout.js";
import { edgesOfChosen, idOf, sceneOf } from "./scene.js";
import { choose, letGo, onChange, shownGraph, state, toggle, toggleAll } from "../state.js";

/** @import {PlacedBand, PlacedScene} from "./layout.js" */
/** @import {Kind} from "../records.d.ts" */

const MARGIN = 16;
const LOWEST = 240;
const TALLEST = 640;
/** @type {PlacedScene | null} */
let drawn = null;

/** Sets up the drawing and its buttons. */
export function setUpGraph() {
  const cy = startDrawing();
  // The wheel scrolls the page; with Ctrl it zooms the graph.
  byId("canvas").parentElement?.addEventListener("wheel", (event) => event.ctrlKey || event.stopPropagation(), {
    capture: true,
  });
  cy.on("tap", "node", (event) => tapped(event.target));
  cy.on("tap", (event) => event.target === cy && letGo());
  cy.on("mouseover", "node", (event) => tip(event.target));
  cy.on("mouseout", "node", () => tip(null));
  cy.on("pan zoom", () => tip(null));
  byId("canvas").addEventListener("mouseleave", () => tip(null));
  byId("zoom-in").addEventListener("click", () => zoom(1.3));
  byId("zoom-out").addEventListener("click", () => zoom(1 / 1.3));
  byId("fit").addEventListener("click", fit);
  byId("unfold").addEventListener("click", () => toggleAll(true));
  byId("fold").addEventListener("click", () => toggleAll(false));
  onChange("view", drawGraph);
  onChange("chosen", showChosen);
  onChange("theme", () => cy.style(styleOfGraph()));
  new ResizeObserver(() => cy.resize()).observe(byId("canvas"));
}

/** Shows the whole graph. */
export function fit() {
  const cy = drawing();
  cy.resize();
  cy.fit(undefined, MARGIN);
  if (drawn) {
    tellDrawn(drawn);
  }
}

/** Shows a new graph: all of it, or its top where it is too tall to be read whole. */
function begin() {
  const cy = drawing();
  cy.resize();
  const box = cy.elements().boundingBox();
  const least = Math.min(1, (cy.width() - 2 * MARGIN) / box.w);
  byId("canvas").style.height = `${Math.max(LOWEST, Math.min(TALLEST, box.h * least + 2 * MARGIN))}px`;
  fit();
  if (cy.zoom() < 0.6 * least) {
    cy.zoom(least);
    cy.pan({ x: MARGIN - box.x1 * least, y: MARGIN - box.y1 * least });
  }
}

function drawGraph() {
  const cy = drawing();
  const graph = shownGraph();
  const scene = placed(state.other ? comparedScene(graph, state.other) : sceneOf(graph), cy.width());
  /** @type {cytoscape.ElementDefinition[]} */
  const nodes = [
    {
      data: { id: "outcome", label: scene.title, width: 12 * scene.title.length + 16 },
      position: scene.top,
      classes: "outcome",
    },
  ];
  for (const band of scene.bands) {
    nodes.push(...elementsOf(band, scene));
  }
  const edges = scene.edges.kept.map((edge) => ({ data: edge, classes: edge.kind }));
  const before = { zoom: cy.zoom(), pan: { ...cy.pan() }, isSame: cy.scratch("target") === sceneName() };
  cy.batch(() => {
    cy.elements().remove();
    cy.add(nodes);
    cy.add(
      edges.filter((edge) => cy.getElementById(edge.data.source).length && cy.getElementById(edge.data.target).length),
    );
  });
  cy.scratch("target", sceneName());
  if (before.isSame) {
    cy.viewport({ zoom: before.zoom, pan: before.pan });
  } else {
    begin();
  }
  drawLegend(state.other ? COMPARED : ROLES);
  drawn = scene;
  tellDrawn(scene);
  showChosen();
}

/** @returns {string} */
function sceneName() {
  return `${shownGraph().target}/${state.other?.target ?? ""}`;
}

/**
 * @param {PlacedBand} band
 * @param {PlacedScene} scene
 * @returns {cytoscape.ElementDefinition[]}
 */
function elementsOf(band, { width, align }) {
  const { name, told, x, y } = band.label;
  /** @type {cytoscape.ElementDefinition[]} */
  const found = [
    {
      data: { id: `s${band.at}`, width: width + 20, height: band.height },
      position: { x: width / 2, y: band.middle },
      classes: "strip",
    },
    {
      data: { id: `l${band.at}`, at: band.at, align, label: `${band.open ? "▾" : "▸"} ${name}\n${told}` },
      position: { x, y },
      classes: "label",
    },
  ];
  if (!band.open) {
    const bar = { id: `b${band.at}`, at: band.at, width: width - 40, label: "closed: click to open" };
    return [...found, { data: bar, position: { x: width / 2, y: band.middle }, classes: "bar" }];
  }
  for (const { strength, kind, ...data } of band.nodes) {
    found.push({
      data: { ...data, kind, label: String(data.index), size: 12 + 20 * Math.sqrt(strength), shape: SHAPES[kind] },
      position: { x: data.x, y: data.y - 5 },
      classes: `node ${kind}`,
    });
  }
  if (band.hidden) {
    const label = `+${band.hidden.toLocaleString("en")}`;
    found.push({ data: { id: `m${band.at}`, label }, position: band.more, classes: "more" });
  }
  return found;
}

/**
 * Does what a tap on an element of the drawing does.
 * @param {cytoscape.NodeSingular} element
 */
export function tapped(element) {
  const at = element.data("at");
  if (element.hasClass("node")) {
    choose(at, element.data("index"));
  } else if (element.hasClass("outcome")) {
    choose(OUTCOME, shownGraph().target);
  } else if (at !== undefined) {
    toggle(at);
  }
}

function showChosen() {
  const cy = drawing();
  /** @type {(id: string) => boolean} */
  const isDrawn = (id) => cy.getElementById(id).length > 0;
  cy.batch(() => {
    cy.elements(".of-chosen").remove();
    cy.elements().removeClass("faint chosen");
    const id = state.chosen && idOf(state.chosen.at, state.chosen.index);
    if (!state.chosen || !id || !isDrawn(id)) {
      return;
    }
    const pairs = edgesOfChosen(shownGraph(), state.chosen, isDrawn);
    const near = new Set([id, ...pairs.flat()]);
    cy.elements("edge").addClass("faint");
    cy.nodes(".node")
      .filter((node) => !near.has(node.id()))
      .addClass("faint");
    cy.add(
      pairs.map(([source, target]) => ({
        data: { id: `c:${source}>${target}`, source, target, strength: 1 },
        classes: "of-chosen",
      })),
    );
    cy.getElementById(id).addClass("chosen");
  });
}

/** @param {Kind[]} kinds */
function drawLegend(kinds) {
  const used = kinds.filter((kind) => drawing().nodes(`.${kind}`).length > 0);
  /** @type {Partial<Record<Kind, string>>} */
  const words = state.other ? comparedWords(shownGraph(), state.other) : {};
  fill(byId("legend"), ...used.map((kind) => el("span", {}, mark(kind), words[kind] ?? kind)));
}

/** @param {PlacedScene} scene */
function tellDrawn(scene) {
  const cy = drawing();
  const graph = shownGraph();
  const hidden = scene.bands.reduce((sum, band) => sum + band.hidden, 0);
  const leftOut = graph.layers.filter((layer) => layer.leftOut).length;
  const unreached = graph.layers.length - scene.bands.length - leftOut;
  const nodes = scene.bands.reduce((sum, band) => sum + band.nodes.length, 0);
  const parts = [`${counted(nodes, "node")} and ${counted(scene.edges.kept.length, "edge")} drawn`];
  if (hidden) {
    parts.push(`${counted(hidden, "weaker node")} not drawn (in the table)`);
  }
  if (scene.edges.left) {
    parts.push(`${counted(scene.edges.left, "weaker edge")} not drawn: choose a node to see all of its own`);
  }
  if (!overview.has_links) {
    parts.push("no edges: an earlier version made this analysis, which kept none; analyse the model again to see them");
  }
  if (unreached) {
    parts.push(`${counted(unreached, "layer")} not reached`);
  }
  if (leftOut) {
    parts.push(`${counted(leftOut, "layer")} left out`);
  }
  if (cy.elements().renderedBoundingBox().h > cy.height()) {
    parts.push("the graph goes on below: drag it, or choose Whole graph");
  }
  byId("drawn").textContent = `${parts.join("; ")}.`;
}
