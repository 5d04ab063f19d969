// Tables: with headings that sort, and pages where there are many rows.

import { button, el, fill, focusOn, say } from "../dom.js";
import { counted } from "../format.js";

/** @import {Child} from "../dom.js" */

const PAGE = 50;

/** @typedef {string | number | null} Sortable What rows are sorted by; null where it is missing. */
/**
 * The heading that rows are sorted by, and how: 1 upwards, -1 downwards.
 * @typedef {{title: string, direction: number}} Sorting
 */
/**
 * A column of a table; one without `sort` cannot be sorted by.
 * @template Row
 * @typedef {object} Column
 * @property {string} title
 * @property {(row: Row) => Child} cell
 * @property {boolean} [number] whether it holds numbers
 * @property {(row: Row) => Sortable} [sort]
 */
/**
 * @template Row
 * @typedef {object} Listing
 * @property {Sorting | null} [sort] how its rows are sorted at first; null: as they are given
 * @property {(row: Row) => boolean} [chosen] whether a row is marked
 * @property {((row: Row) => string) | null} [text] by which rows can be found where there are several pages
 */
/** @typedef {{element: HTMLElement, draw: () => void}} Drawn A table that can be drawn anew. */

/**
 * Returns a table.
 * @template Row
 * @param {string} caption
 * @param {Column<Row>[]} columns
 * @param {Row[]} rows
 * @returns {HTMLElement}
 */
export function table(caption, columns, rows) {
  const head = columns.map((column) => heading(column, column.title));
  return framed(
    caption,
    head,
    rows.map((row) => tableRow(columns, row, false)),
  );
}

/**
 * @param {string} caption
 * @param {HTMLElement[]} head
 * @param {HTMLElement[]} body
 * @returns {HTMLElement}
 */
function framed(caption, head, body) {
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body)),
  );
}

/**
 * @param {{number?: boolean}} column
 * @param {Child} content
 * @param {string} [sorted]
 * @returns {HTMLElement}
 */
function heading(column, content, sorted) {
  return el("th", { scope: "col", class: column.number && "number", "aria-sort": sorted }, content);
}

/**
 * @template Row
 * @param {Column<Row>[]} columns
 * @param {Row} row
 * @param {boolean} isChosen
 * @returns {HTMLElement}
 */
function tableRow(columns, row, isChosen) {
  const cells = columns.map((column, place) =>
    place === 0
      ? el("th", { scope: "row" }, column.cell(row) ?? "")
      : el("td", { class: column.number && "number" }, column.cell(row) ?? ""),
  );
  return el("tr", { class: isChosen && "chosen" }, ...cells);
}

/**
 * Returns a table that can be sorted by its headings, in pages.
 * @template Row
 * @param {string} caption
 * @param {Column<Row>[]} columns
 * @param {() => Row[]} rows gives the rows, before they are sorted
 * @param {Listing<Row>} [listing]
 * @returns {Drawn}
 */
export function longTable(caption, columns, rows, { sort = null, chosen = () => false, text = null } = {}) {
  const whole = el("div");
  const view = { sort, page: 0, words: "" };
  const box = el("input", { type: "search", autocomplete: "off" });
  box.addEventListener("input", () => {
    view.words = box.value.toLowerCase();
    view.page = 0;
    draw();
  });
  const search = el("label", {}, "Find in the list ", box);
  const body = el("div");
  whole.append(search, body);
  /** @type {Row[]} */
  let sorted = [];

  /** @param {string} [focus] */
  function draw(focus) {
    const every = rows();
    search.hidden = !text || every.length <= PAGE;
    sorted = inOrder(every.filter((row) => !text || text(row).toLowerCase().includes(view.words)));
    const pages = Math.max(1, Math.ceil(sorted.length / PAGE));
    view.page = Math.min(view.page, pages - 1);
    const part = sorted.slice(view.page * PAGE, (view.page + 1) * PAGE);
    const lines = part.map((row) => tableRow(columns, row, chosen(row)));
    fill(body, framed(caption, columns.map(sortable), lines), pages > 1 ? pager(pages) : null);
    if (focus) {
      focusOn(whole, `[data-focus="${focus}"]`);
    }
  }

  /** @param {Row[]} found */
  function inOrder(found) {
    const by = columns.find((column) => column.title === view.sort?.title)?.sort;
    const direction = view.sort?.direction ?? 0;
    return by ? found.sort((one, two) => direction * compared(by(one), by(two))) : found;
  }

  /** @param {Column<Row>} column */
  function sortable(column) {
    if (!column.sort) {
      return heading(column, column.title);
    }
    const direction = view.sort?.title === column.title ? view.sort.direction : 0;
    const arrow = direction === 0 ? "" : direction > 0 ? " ▲" : " ▼";
    const name = `sort-${columns.indexOf(column)}`;
    const act = () => {
      view.sort = { title: column.title, direction: direction === 0 ? (column.number ? -1 : 1) : -direction };
      view.page = 0;
      draw(name);
    };
    return heading(
      column,
      button(`${column.title}${arrow}`, act, { class: "plain", "data-focus": name }),
      direction === 0 ? "none" : direction > 0 ? "ascending" : "descending",
    );
  }

  /** @param {number} pages */
  function pager(pages) {
    /** @type {(by: number, name: string) => () => void} */
    const step = (by, name) => () => {
      view.page += by;
      draw(name);
      say(`page ${view.page + 1} of ${pages}`);
    };
    return el(
      "div",
      { class: "pager" },
      button("Back", step(-1, "back"), { disabled: view.page === 0, "data-focus": "back" }),
      el("span", {}, `page ${view.page + 1} of ${pages}, ${counted(sorted.length, "row")}`),
      button("Further", step(1, "further"), { disabled: view.page >= pages - 1, "data-focus": "further" }),
    );
  }

  draw();
  return { element: whole, draw: () => draw() };
}

/**
 * Orders numbers and texts; what is missing comes last.
 * @param {Sortable} one
 * @param {Sortable} two
 * @returns {number}
 */
function compared(one, two) {
  if (one === null || two === null) {
    return Number(one === null) - Number(two === null);
  }
  return typeof one === "number" && typeof two === "number"
    ? one - two
    : String(one).localeCompare(String(two), "en", { numeric: true });
}

/**
 * Returns names and values as a table.
 * @param {[name: string, value: Child][]} pairs
 * @returns {HTMLElement}
 */
export function facts(pairs) {
  const rows = pairs.map(([name, value]) =>
    el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value ?? "–")),
  );
  return el("table", {}, el("tbody", {}, ...rows));
}
