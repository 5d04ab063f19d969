// How the graph is drawn: shapes, colours and lines, by the classes of its elements.

import { SHAPES } from "./kinds.js";
import { colour } from "../theme.js";

/**
 * Returns the style of the graph, in the colours of the theme.
 * @returns {cytoscape.StylesheetJson}
 */
export function styleOfGraph() {
  const ink = colour("ink");
  const kinds = Object.keys(SHAPES).map((kind) => ({
    selector: `node.${kind}`,
    style: { "background-color": colour(kind) },
  }));
  const rules = [
    {
      selector: "node",
      style: { label: "data(label)", color: ink, "font-size": 12, "min-zoomed-font-size": 6, "border-width": 0 },
    },
    {
      selector: "node.node",
      style: {
        shape: "data(shape)",
        width: "data(size)",
        height: "data(size)",
        "text-valign": "bottom",
        "text-margin-y": 1,
        "border-width": 1,
        "border-color": ink,
        "border-opacity": 0.45,
      },
    },
    ...kinds,
    { selector: "node.dead", style: { "background-opacity": 0.35 } },
    {
      selector: "node.strip",
      style: {
        shape: "round-rectangle",
        width: "data(width)",
        height: "data(height)",
        "background-color": colour("panel"),
        label: "",
        events: "no",
        "z-index-compare": "manual",
        "z-index": -2,
      },
    },
    {
      selector: "node.label",
      style: {
        shape: "rectangle",
        width: 1,
        height: 24,
        "background-opacity": 0,
        "text-halign": "data(align)",
        "text-valign": "center",
        "text-wrap": "wrap",
        "font-size": 17,
        "line-height": 1.15,
        "text-events": "yes",
      },
    },
    {
      selector: "node.bar",
      style: {
        shape: "round-rectangle",
        width: "data(width)",
        height: 24,
        "background-color": colour("line"),
        "text-valign": "center",
        "font-size": 12,
      },
    },
    {
      selector: "node.more",
      style: { "background-opacity": 0, "text-valign": "center", events: "no", "font-size": 11 },
    },
    {
      selector: "node.outcome",
      style: {
        shape: "round-rectangle",
        width: "data(width)",
        height: 34,
        "background-color": ink,
        color: colour("paper"),
        "text-valign": "center",
        "font-size": 17,
      },
    },
    {
      selector: "edge",
      style: {
        "curve-style": "straight",
        "line-color": colour("necessary"),
        width: "mapData(strength, 0, 1, 0.5, 3.5)",
        opacity: "mapData(strength, 0, 1, 0.1, 0.5)",
        events: "no",
        "z-index-compare": "manual",
        "z-index": -1,
      },
    },
    { selector: "edge.own", style: { "line-color": colour("own") } },
    { selector: "edge.others", style: { "line-color": colour("others"), "line-style": "dashed" } },
    { selector: ".faint", style: { opacity: 0.18 } },
    { selector: "edge.of-chosen", style: { width: 2.2, opacity: 0.9, "line-color": colour("focus") } },
    { selector: "node.chosen", style: { "border-width": 4, "border-color": colour("focus"), "border-opacity": 1 } },
  ];
  // The library's types know no mapping to data, "data(size)", where a value is one of some words.
  return /** @type {cytoscape.StylesheetJson} */ (/** @type {unknown} */ (rules));
}
