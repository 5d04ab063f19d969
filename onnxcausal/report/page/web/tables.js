// Tables: with headings that sort, and pages where there are many rows.

const PAGE = 50;

/** Returns a table. A column is `{title, cell(row), number, sort(row)}`; `cell` gives a text or an element. */
function table(caption, columns, rows, { chosen = () => false } = {}) {
  const head = el("tr", {}, ...columns.map((column) => heading(column, column.title)));
  const body = rows.map((row) => tableRow(columns, row, chosen(row)));
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, ...body)),
  );
}

function heading(column, content, sorted) {
  return el("th", { scope: "col", class: column.number && "number", "aria-sort": sorted }, content);
}

function tableRow(columns, row, isChosen) {
  const cells = columns.map((column, place) =>
    place === 0
      ? el("th", { scope: "row" }, column.cell(row) ?? "")
      : el("td", { class: column.number && "number" }, column.cell(row) ?? ""),
  );
  return el("tr", { class: isChosen && "chosen" }, ...cells);
}

/**
 * Returns a table that can be sorted by its headings, in pages. `rows()` gives the rows, before they are sorted;
 * where `text(row)` tells a row's text and there are several pages, rows can be found by it.
 */
function longTable(caption, columns, rows, { sort = null, chosen = () => false, text = null } = {}) {
  const whole = el("div");
  const view = { sort, page: 0, words: "" };
  const find = (event) => {
    view.words = event.target.value.toLowerCase();
    view.page = 0;
    draw();
  };
  const search = el(
    "label",
    {},
    "Find in the list ",
    el("input", { type: "search", autocomplete: "off", on: { input: find } }),
  );
  const body = el("div");
  whole.append(search, body);
  let sorted = [];

  function draw(focus) {
    const by = view.sort && columns.find((column) => column.title === view.sort.title);
    const every = rows();
    search.hidden = !text || every.length <= PAGE;
    sorted = every.filter((row) => !text || text(row).toLowerCase().includes(view.words));
    if (by) {
      sorted.sort((one, two) => view.sort.direction * compared(by.sort(one), by.sort(two)));
    }
    const pages = Math.max(1, Math.ceil(sorted.length / PAGE));
    view.page = Math.min(view.page, pages - 1);
    const part = sorted.slice(view.page * PAGE, (view.page + 1) * PAGE);
    const head = el("tr", {}, ...columns.map((column) => sortable(column)));
    const lines = part.map((row) => tableRow(columns, row, chosen(row)));
    fill(
      body,
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
        el("table", {}, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, ...lines)),
      ),
      pages > 1 ? pager(pages) : null,
    );
    if (focus) {
      whole.querySelector(`[data-focus="${focus}"]`)?.focus();
    }
  }

  function sortable(column) {
    if (!column.sort) {
      return heading(column, column.title);
    }
    const direction = view.sort?.title === column.title ? view.sort.direction : 0;
    const mark = { 1: " ▲", 0: "", "-1": " ▼" }[direction];
    const name = `sort-${columns.indexOf(column)}`;
    const act = () => {
      view.sort = { title: column.title, direction: direction === 0 ? (column.number ? -1 : 1) : -direction };
      view.page = 0;
      draw(name);
    };
    return heading(
      column,
      button(`${column.title}${mark}`, act, { class: "plain", "data-focus": name }),
      direction === 0 ? "none" : direction > 0 ? "ascending" : "descending",
    );
  }

  function pager(pages) {
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

/** Orders numbers and texts; what is missing comes last. */
function compared(one, two) {
  if (one === null || two === null) {
    return (one === null) - (two === null);
  }
  return typeof one === "string" ? one.localeCompare(two, "en", { numeric: true }) : one - two;
}
