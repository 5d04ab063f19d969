// Small charts, each beside a table of its numbers.

import { svg } from "../dom.js";
import { percent, short, shown, signed } from "../format.js";

/** @import {Quartiles} from "../records.d.ts" */

const LEFT = 240;
const CHART = 600;
const ROW = 20;
const CURVES = ["necessary", "minor", "noisy", "untested", "others", "shared"];
const DASHES = ["", "6 3", "2 3", "9 3 2 3", "12 4", "4 4"];

/** @typedef {{label: string, mean: number, low: number, high: number}} Measured A value with its interval. */
/** @typedef {Measured & {at: number}} Point A value somewhere along a scale. */
/** @typedef {(value: number) => number} Scale Where a value is drawn. */

/**
 * Returns a chart of values with their intervals.
 * @param {string} title
 * @param {Measured[]} rows
 * @returns {SVGSVGElement}
 */
export function whiskers(title, rows) {
  const ends = rows.flatMap((row) => [row.low, row.high, row.mean]);
  const least = Math.min(0, ...ends);
  const most = Math.max(...ends, least + 1e-12);
  /** @type {Scale} */
  const x = (value) => LEFT + ((value - least) / (most - least)) * (CHART - LEFT - 50);
  const height = ROW * rows.length + 26;
  const chart = svg("svg", {
    class: "chart",
    viewBox: `0 0 ${CHART} ${height}`,
    width: CHART,
    role: "img",
    "aria-label": `${title}, as in the table`,
  });
  for (const value of ticks(least, most)) {
    chart.append(line(x(value), 2, x(value), height - 18, "var(--line)"));
    chart.append(svg("text", { x: x(value), y: height - 5, "text-anchor": "middle" }, shown(value)));
  }
  rows.forEach((row, place) => {
    const y = ROW * place + 12;
    chart.append(svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, short(row.label, 40)));
    chart.append(line(x(row.low), y, x(row.high), y, "var(--soft)", 2));
    chart.append(svg("circle", { cx: x(row.mean), cy: y, r: 4, style: { fill: "var(--link)" } }));
  });
  return chart;
}

/**
 * Returns values with intervals along a scale, a line for each label.
 * @param {string} title
 * @param {Point[]} records
 * @returns {SVGSVGElement}
 */
export function curves(title, records) {
  const [height, right, foot] = [240, 170, 24];
  const places = records.map((record) => record.at);
  const [from, to] = [Math.min(...places), Math.max(...places)];
  const least = Math.min(0, ...records.map((record) => record.low));
  const most = Math.max(...records.map((record) => record.high), least + 1e-12);
  /** @type {Scale} */
  const x = (at) => 40 + ((at - from) / (to - from)) * (CHART - 40 - right);
  /** @type {Scale} */
  const y = (value) => height - foot - ((value - least) / (most - least)) * (height - foot - 10);
  const chart = svg("svg", {
    class: "chart",
    viewBox: `0 0 ${CHART} ${height}`,
    width: CHART,
    role: "img",
    "aria-label": `${title}, as in the table`,
  });
  for (const value of ticks(least, most)) {
    chart.append(line(x(from), y(value), x(to), y(value), "var(--line)"));
    chart.append(svg("text", { x: 34, y: y(value) + 4, "text-anchor": "end" }, shown(value)));
  }
  for (const at of new Set(places)) {
    chart.append(svg("text", { x: x(at), y: height - 6, "text-anchor": "middle" }, percent(at)));
  }
  const labels = [...new Set(records.map((record) => record.label))];
  labels.forEach((label, number) => chart.append(...curve(records, label, number, x, y)));
  return chart;
}

/**
 * @param {Point[]} records
 * @param {string} label
 * @param {number} number
 * @param {Scale} x
 * @param {Scale} y
 * @returns {SVGElement[]}
 */
function curve(records, label, number, x, y) {
  const paint = `var(--${CURVES[number % CURVES.length]})`;
  const dashes = DASHES[number % DASHES.length];
  const points = records.filter((record) => record.label === label).sort((one, two) => one.at - two.at);
  const style = { fill: "none", stroke: paint, "stroke-width": "2", "stroke-dasharray": dashes };
  const key = 12 + 18 * number;
  return [
    ...points.map((point) => line(x(point.at), y(point.low), x(point.at), y(point.high), paint)),
    svg("polyline", { points: points.map((point) => `${x(point.at)},${y(point.mean)}`).join(" "), style }),
    ...points.map((point) => svg("circle", { cx: x(point.at), cy: y(point.mean), r: 3, style: { fill: paint } })),
    svg("polyline", { points: `${CHART - 158},${key} ${CHART - 130},${key}`, style }),
    svg("text", { x: CHART - 124, y: key + 4 }, short(label, 20)),
  ];
}

/**
 * Returns the spread of an effect over samples as a box.
 * @param {Quartiles} values
 * @returns {SVGSVGElement}
 */
export function box(values) {
  const [least, lower, median, upper, most] = values;
  const from = Math.min(0, least);
  const to = Math.max(0, most, from + 1e-12);
  /** @type {Scale} */
  const x = (value) => 10 + ((value - from) / (to - from)) * 260;
  const frame = { x: x(lower), y: 8, width: Math.max(1, x(upper) - x(lower)), height: 16 };
  return svg(
    "svg",
    {
      class: "chart",
      viewBox: "0 0 280 44",
      width: 280,
      role: "img",
      "aria-label":
        `effects over the samples run from ${signed(least)} to ${signed(most)}, ` +
        `half of them from ${signed(lower)} to ${signed(upper)}, the median is ${signed(median)}`,
    },
    line(x(least), 16, x(most), 16, "var(--soft)", 2),
    svg("rect", { ...frame, style: { fill: "var(--panel)", stroke: "var(--ink)" } }),
    line(x(median), 8, x(median), 24, "var(--ink)", 2),
    line(x(0), 2, x(0), 30, "var(--link)", 1),
    svg("text", { x: x(0), y: 42, "text-anchor": x(0) < 60 ? "start" : x(0) > 220 ? "end" : "middle" }, "0"),
    svg(
      "text",
      { x: least < 0 ? 10 : 270, y: 42, "text-anchor": least < 0 ? "start" : "end" },
      signed(least < 0 ? least : most),
    ),
  );
}

/**
 * @param {number} x1
 * @param {number} y1
 * @param {number} x2
 * @param {number} y2
 * @param {string} stroke
 * @param {number} [width]
 * @returns {SVGLineElement}
 */
function line(x1, y1, x2, y2, stroke, width = 1) {
  return svg("line", { x1, y1, x2, y2, style: { stroke, "stroke-width": String(width) } });
}

/**
 * @param {number} least
 * @param {number} most
 * @returns {number[]}
 */
function ticks(least, most) {
  const step = 10 ** Math.floor(Math.log10(most - least));
  const fine = (most - least) / step < 2.5 ? step / 2 : (most - least) / step > 6 ? 2 * step : step;
  const found = [];
  for (let value = Math.ceil(least / fine) * fine; value <= most + fine * 1e-9; value += fine) {
    found.push(Math.abs(value) < fine * 1e-9 ? 0 : value);
  }
  return found;
}
