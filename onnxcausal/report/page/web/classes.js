// The list of classes and the choice among them.

/** Sets up the list, the two choices and what they say. */
function setUpClasses() {
  const options = () => overview.classes.map((info) => el("option", { value: info.target }, short(info.title, 60)));
  fill(byId("class"), ...options());
  fill(byId("other"), el("option", { value: "" }, "no other class"), ...options());
  byId("class").addEventListener("change", chosenClasses);
  byId("other").addEventListener("change", chosenClasses);
  const used = ROLES.filter((_, place) => overview.classes.some((info) => info.counts[place] > 0));
  const caption = `Classes that were analysed; roles from left: ${used.join(", ")}`;
  const list = longTable(caption, classColumns(), () => overview.classes, {
    chosen: (info) => info.target === state.graph?.target,
    text: (info) => info.title,
  });
  fill(byId("class-list"), list.element);
  fill(byId("skipped"), ...skippedParts());
  onChange("class", () => {
    byId("class").value = String(state.graph.target);
    byId("other").value = state.other ? String(state.other.target) : "";
    byId("headline").textContent = state.other ? comparedTold(state.graph, state.other) : headline(state.graph.info);
    byId("filters").disabled = state.other !== null;
    list.draw();
  });
}

function chosenClasses() {
  const target = Number(byId("class").value);
  const other = byId("other").value === "" ? null : Number(byId("other").value);
  showClass(target, other === target ? null : other);
}

function classColumns() {
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
      cell: (info) => `${percent(info.correct / Math.max(1, info.examined))} of ${info.examined}`,
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

function roleBar(info) {
  const parts = info.counts.map((count, place) => [ROLES[place], count]).filter(([, count]) => count > 0);
  const told = parts.map(([role, count]) => `${count} ${role}`).join(", ");
  const bits = parts.map(([role, count]) =>
    el("i", { style: { width: `${(100 * count) / info.nodes}%`, background: `var(--${role})` } }),
  );
  return el("span", { class: "bar", role: "img", "aria-label": told, title: told }, ...bits);
}

function skippedParts() {
  if (!overview.skipped.length) {
    return [];
  }
  const columns = [
    { title: "class", cell: (entry) => entry.title, sort: (entry) => entry.title },
    { title: "why it was not analysed", cell: (entry) => entry.reason },
  ];
  return [
    el("h3", {}, `Classes left out (${overview.skipped.length})`),
    longTable("Classes left out", columns, () => overview.skipped).element,
  ];
}

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
