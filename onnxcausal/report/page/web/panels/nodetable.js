// The graph as tables: its layers, and its nodes.

import { comparedNodes } from "./compare.js";
import { NECESSARY, NOISY, ROLES, nodeOf, nodesOf, overview } from "../data.js";
import { button, byId, el, fill, focusOn, ofKind } from "../dom.js";
import { interval, short, shown, signed } from "../format.js";
import { choose, onChange, shownGraph, shownGraphs, state, toggle } from "../state.js";
import { longTable, table } from "./tables.js";

/** @import {Child} from "../dom.js" */
/** @import {Graph, Layer, LayerNode, Role} from "../records.d.ts" */
/** @import {Column, Drawn} from "./tables.js" */

/** @typedef {{at: number, index: number, of: (LayerNode | null)[]}} NodeRow A node, and what it is for each class. */

/** @type {Drawn | null} */
let nodeTable = null;
let onlyLayer = "";

/** Keeps the tables below the graph. */
export function setUpTables() {
  onChange("class", () => {
    onlyLayer = "";
  });
  onChange("view", () => {
    fill(byId("layers"), layerTable());
    drawNodeTable();
  });
  onChange("chosen", () => nodeTable?.draw());
  byId("nodes-part").addEventListener("toggle", drawNodeTable);
}

/** @returns {HTMLElement} */
function layerTable() {
  const graphs = shownGraphs();
  /** @type {Column<number>[]} */
  const columns = [
    { title: "layer", cell: (at) => overview.layers[at].name },
    { title: "op", cell: (at) => overview.layers[at].op },
    { title: "nodes", number: true, cell: (at) => String(overview.layers[at].parents) },
    ...graphs.flatMap((graph) => roleColumns(graph, graphs.length > 1)),
    { title: "in the graph", cell: (at) => openButton(at) },
  ];
  const titles = graphs.map((graph) => graph.info.title).join(" and ");
  const caption = `Layers from the outcome to the input, class ${titles}`;
  return table(
    caption,
    columns,
    overview.layers.map((_, at) => at),
  );
}

/**
 * @param {Graph} graph
 * @param {boolean} isCompared
 * @returns {Column<number>[]}
 */
function roleColumns(graph, isCompared) {
  const whose = isCompared ? ` for ${graph.info.title}` : "";
  const used = ROLES.filter((_, place) => (graph.info.counts[place] ?? 0) > 0 || place < 2);
  /** @type {Role[]} */
  const shownRoles = isCompared ? [NECESSARY, NOISY] : used;
  return [
    ...shownRoles.map((role) => ({
      title: `${role}${whose}`,
      number: true,
      /** @param {number} at */
      cell: (at) => String(graph.at.get(at)?.counts[ROLES.indexOf(role)] ?? "–"),
    })),
    { title: `remarks${whose}`, cell: (at) => remarks(graph.at.get(at)) },
  ];
}

/**
 * @param {Layer | undefined} layer
 * @returns {string}
 */
function remarks(layer) {
  if (!layer) {
    return "";
  }
  const parts = [];
  if (layer.reached && layer.flow !== "tracked") {
    parts.push(`flow ${layer.flow}`);
  }
  if (layer.through.length) {
    parts.push(`targets through ${layer.through.join(", ")}, left out`);
  }
  if (layer.reached && layer.by !== "coverage") {
    parts.push(`selected by ${layer.by}`);
  }
  if (layer.reason) {
    parts.push(layer.reason);
  }
  if (layer.untested) {
    const { nodes, ate, ci } = layer.untested;
    parts.push(`${nodes} untested, jointly ${signed(ate)} (${interval(ci[0], ci[1])})`);
  }
  if (layer.nodes.length && layer.nodes.length < layer.parents) {
    parts.push(`numbers of the ${layer.nodes.length} strongest are in this page`);
  }
  return parts.join("; ");
}

/**
 * @param {number} at
 * @returns {Child}
 */
function openButton(at) {
  if (!shownGraph().at.get(at)?.reached && !state.other?.at.get(at)?.reached) {
    return shownGraph().at.get(at)?.leftOut ? "left out" : "not reached";
  }
  const isOpen = state.open.has(at);
  const act = () => {
    toggle(at);
    focusOn(byId("layers"), `[data-at="${at}"]`);
  };
  const options = { class: "plain", "aria-expanded": isOpen ? "true" : "false", "data-at": at };
  return button(isOpen ? "close" : "open", act, {
    ...options,
    "aria-label": `${isOpen ? "close" : "open"} layer ${overview.layers[at].name}`,
  });
}

function drawNodeTable() {
  if (!ofKind("nodes-part", HTMLDetailsElement).open) {
    return; // it is made when it is opened
  }
  const names = overview.layers.map((layer, at) =>
    el("option", { value: at, selected: String(at) === onlyLayer }, short(layer.name, 40)),
  );
  const choice = el("select", {}, el("option", { value: "" }, "all layers"), ...names);
  const list = longTable("Nodes of the roles shown, the strongest effect first", nodeColumns(), nodeRows, {
    sort: { title: "size", direction: -1 },
    chosen: (row) => state.chosen?.at === row.at && state.chosen?.index === row.index,
  });
  choice.addEventListener("change", () => {
    onlyLayer = choice.value;
    list.draw();
  });
  nodeTable = list;
  fill(byId("nodes"), el("label", {}, "Layer ", choice), list.element);
}

/** @returns {Column<NodeRow>[]} */
function nodeColumns() {
  const graphs = shownGraphs();
  /** @type {(row: NodeRow) => () => void} */
  const act = (row) => () => {
    choose(row.at, row.index);
    byId("node").focus();
  };
  /** @type {Column<NodeRow>[]} */
  const columns = [
    {
      title: "node",
      cell: (row) => button(`${row.index} of ${overview.layers[row.at].name}`, act(row), { class: "plain" }),
      sort: (row) => `${overview.layers[row.at].name} ${row.index}`,
    },
  ];
  for (const [place, graph] of graphs.entries()) {
    const whose = graphs.length > 1 ? ` for ${graph.info.title}` : "";
    columns.push(
      {
        title: `role${whose}`,
        cell: (row) => row.of[place]?.role ?? "–",
        sort: (row) => row.of[place]?.role ?? null,
      },
      {
        title: `effect${whose}`,
        number: true,
        cell: (row) => signed(row.of[place]?.ate),
        sort: (row) => row.of[place]?.ate ?? null,
      },
      { title: `interval${whose}`, number: true, cell: (row) => interval(row.of[place]?.low, row.of[place]?.high) },
      {
        title: `q${whose}`,
        number: true,
        cell: (row) => shown(row.of[place]?.q, 2),
        sort: (row) => row.of[place]?.q ?? null,
      },
    );
  }
  /** @type {(row: NodeRow) => number} */
  const size =
    graphs.length > 1
      ? (row) => Math.abs((row.of[0]?.ate ?? 0) - (row.of[1]?.ate ?? 0))
      : (row) => Math.abs(row.of[0]?.ate ?? 0);
  const title = graphs.length > 1 ? "difference" : "size";
  return [...columns, { title, number: true, cell: (row) => shown(size(row)), sort: size }];
}

/** @returns {NodeRow[]} */
function nodeRows() {
  const layers = overview.layers.map((_, at) => at).filter((at) => onlyLayer === "" || String(at) === onlyLayer);
  return layers.flatMap((at) => {
    const [graph, other] = shownGraphs();
    if (other) {
      return comparedNodes(graph, other, at).map(({ index }) => ({
        at,
        index,
        of: [nodeOf(graph, at, index), nodeOf(other, at, index)],
      }));
    }
    const layer = graph.at.get(at);
    return layer?.reached
      ? nodesOf(graph, layer, state.roles).map((node) => ({ at, index: node.index, of: [node] }))
      : [];
  });
}
