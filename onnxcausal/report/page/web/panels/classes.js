// The list of classes and the choice among them.

import { comparedTold } from "./compare.js";
import { ROLES, overview } from "../data.js";
import { button, byId, el, fill, ofKind } from "../dom.js";
import { counted, percent, short, shown } from "../format.js";
import { onChange, showClass, shownGraph, state } from "../state.js";
import { longTable } from "./tables.js";

/** @import {ClassInfo} from "../records.d.ts" */
/** @import {Column} from "./tables.js" */

/** Sets up the list, the two choices and what they say. */
export function setUpClasses() {
  const [first, second] = [ofKind("class", HTMLSelectElement), ofKind("other", HTMLSelectElement)];
  const options = () => overview.classes.map((info) => el("option", { value: info.target }, short(info.title, 60)));
  fill(first, ...options());
  fill(second, el("option", { value: "" }, "no other class"), ...options());
  const show = () => {
    const [target, other] = [Number(first.value), second.value === "" ? null : Number(second.value)];
    void showClass(target, other === target ? null : other);
  };
  first.addEventListener("change", show);
  second.addEventListener("change", show);
  const used = ROLES.filter((_, place) => overview.classes.some((info) => info.counts[place] > 0));
  const caption = `Classes that were analysed; roles from left: ${used.join(", ")}`;
  const list = longTable(caption, classColumns(), () => overview.classes, {
    chosen: (info) => info.target === state.graph?.target,
    text: (info) => info.title,
  });
  fill(byId("class-list"), list.element);
  fill(byId("skipped"), ...skippedParts());
  onChange("class", () => {
    const graph = shownGraph();
    first.value = String(graph.target);
    second.value = state.other ? String(state.other.target) : "";
    byId("headline").textContent = state.other ? comparedTold(graph, state.other) : headline(graph.info);
    ofKind("filters", HTMLFieldSetElement).disabled = state.other !== null;
    list.draw();
  });
}

/** @returns {Column<ClassInfo>[]} */
function classColumns() {
  /** @type {(info: ClassInfo) => () => Promise<void>} */
  const act = (info) => async () => {
    await showClass(info.target, null);
    byId("graph").scrollIntoView();
    byId("class").focus({ preventScroll: true });
  };
  return [
    { title: "class", cell: (info) => button(info.title, act(info), { class: "plain" }), sort: (info) => info.target },
    { title: "samples", number: true, cell: (info) => String(info.samples), sort: (info) => info.samples },
    {
      title: "model right on",
      number: true,
      cell: (info) =>
        `${percent(info.correct / Math.max(1, info.examined))} of ${info.examined}` +
        (info.others ? `, ${percent(info.others[0] / Math.max(1, info.others[1]))} of ${info.others[1]} others` : ""),
      sort: (info) => info.correct / Math.max(1, info.examined),
    },
    { title: "mean score", number: true, cell: (info) => shown(info.mean), sort: (info) => info.mean },
    {
      title: "necessary nodes",
      number: true,
      cell: (info) => `${info.counts[0] ?? 0} of ${info.nodes}`,
      sort: (info) => info.counts[0] ?? 0,
    },
    { title: "noisy", number: true, cell: (info) => String(info.counts[1] ?? 0), sort: (info) => info.counts[1] ?? 0 },
    { title: "roles", cell: roleBar },
    {
      title: "layers reached",
      number: true,
      cell: (info) => `${info.reached} of ${overview.layers.length}`,
      sort: (info) => info.reached,
    },
  ];
}

/**
 * @param {ClassInfo} info
 * @returns {HTMLElement}
 */
function roleBar(info) {
  const parts = info.counts.map((count, place) => ({ role: ROLES[place], count })).filter(({ count }) => count > 0);
  const told = parts.map(({ role, count }) => `${count} ${role}`).join(", ");
  const bits = parts.map(({ role, count }) =>
    el("i", { style: { width: `${(100 * count) / info.nodes}%`, background: `var(--${role})` } }),
  );
  return el("span", { class: "bar", role: "img", "aria-label": told, title: told }, ...bits);
}

/** @returns {HTMLElement[]} */
function skippedParts() {
  if (!overview.skipped.length) {
    return [];
  }
  /** @type {Column<{title: string, reason: string}>[]} */
  const columns = [
    { title: "class", cell: (entry) => entry.title, sort: (entry) => entry.title },
    { title: "why it was not analysed", cell: (entry) => entry.reason },
  ];
  return [
    el("h3", {}, `Classes left out (${overview.skipped.length})`),
    longTable("Classes left out", columns, () => overview.skipped).element,
  ];
}

/**
 * @param {ClassInfo} info
 * @returns {string}
 */
function headline(info) {
  const necessary = (info.counts[0] ?? 0).toLocaleString("en");
  const whole = `The score of class ${info.title} rests on ${necessary} of ${counted(info.nodes, "node")}`;
  const against = info.counts[1]
    ? `; ${counted(info.counts[1], "node")} speak${info.counts[1] === 1 ? "s" : ""} against it`
    : "";
  if (!info.strongest) {
    return `${whole}${against}.`;
  }
  const { layer, node, ate, ci } = info.strongest;
  const part = Math.abs(ate / info.mean);
  const share = !info.mean ? "" : `, ${part > 1 ? "more than" : `${percent(part)} of`} its mean ${shown(info.mean)}`;
  return (
    `${whole}${against}. The strongest is node ${node} of ${overview.layers[layer].name}: ` +
    "without it the score falls by " +
    `${shown(Math.abs(ate))} (${shown(Math.abs(ci[1]))} to ${shown(Math.abs(ci[0]))})${share}.`
  );
}
