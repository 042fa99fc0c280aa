"use strict";
// Texts come from strangers: they reach the page by textContent alone, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const PAGE = 50;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 40rem)");
  const views = {};
  let drawn = "";  // the filter that the main chart shows; empty for all experiments
  const state = { search: "", phase: "", kinds: new Set(), sort: "number", down: true, shown: PAGE };

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const figure = (value, sign) => {
    if (value === null || value === undefined) return "";
    const text = Number(value.toPrecision(4)).toString();
    return sign && value > 0 ? `+${text}` : text.replace("-", "\u2212");
  };
  const day = (at) => new Date(at).toISOString().slice(0, 16).replace("T", " ");

  const columns = [
    { key: "number", name: "#", number: true, show: (row) => `#${row.number}` },
    { key: "title", name: "hypothesis", show: (row) => row.title },
    { key: "kind", name: "verdict", show: (row) => `${row.verdict} (${row.reason})` },
    { key: "value", name: data.metric, number: true, show: (row) => figure(row.value) },
    { key: "difference", name: "difference", number: true, show: (row) => figure(row.difference, true) },
    { key: "phase", name: "phase", wide: true, show: (row) => row.phase },
    { key: "proposer", name: "proposer", wide: true, show: (row) => row.proposer },
    { key: "seeds", name: "seeds", number: true, wide: true, show: (row) => String(row.seeds) },
    { key: "hours", name: "hours", number: true, wide: true, show: (row) => figure(row.hours) },
    { key: "cost", name: "$", number: true, wide: true, show: (row) => row.cost.toFixed(2) },
    { key: "at", name: "ended (UTC)", wide: true, show: (row) => day(row.at) },
  ];

  const main = data.charts.main.datasets;
  if (data.experiments.length) {
    main.experiments = data.experiments.filter((row) => row.value !== null).concat(data.audits);
    main.others = data.experiments.filter((row) => row.value === null);
  }

  const words = data.experiments.map((row) =>
    `#${row.number} ${row.title} ${row.proposer} ${row.phase} ${row.reason}`.toLowerCase());
  const passes = (row, index) =>
    state.kinds.has(row.kind) && (!state.phase || row.phase === state.phase) &&
    (!state.search || words[index].includes(state.search));
  const chosen = () => data.experiments.filter(passes);

  const sorted = (rows) => {
    const { sort, down } = state;
    const empty = (value) => value === null || value === undefined || value === "";
    return rows.slice().sort((one, other) => {
      const a = one[sort], b = other[sort];
      if (empty(a) || empty(b)) return empty(a) - empty(b);
      const order = typeof a === "string" ? a.localeCompare(b) : a - b;
      return down ? -order : order;
    });
  };

  function drawTable() {
    const rows = chosen();
    const visible = sorted(rows).slice(0, state.shown).map((row) => element("tr", {},
      ...columns.map((column) => {
        const cell = element("td");
        if (column.number) cell.classList.add("number");
        if (column.wide) cell.classList.add("wide");
        if (column.key === "title") {
          cell.classList.add("title");
          const open = element("button", { type: "button", textContent: column.show(row) || "(no title)" });
          open.dataset.number = row.number;
          open.addEventListener("click", () => showDetail(row.number));
          cell.append(open);
        } else cell.textContent = column.show(row);
        return cell;
      })));
    byId("rows").replaceChildren(...visible);
    byId("count").textContent = `${rows.length} of ${data.experiments.length} experiments`;
    byId("more").hidden = rows.length <= state.shown;
    for (const header of byId("headers").children) {
      const active = header.dataset.key === state.sort;
      if (active) header.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
      header.querySelector("span").textContent = active ? (state.down ? " \u25be" : " \u25b4") : "";
    }
    // A chart that shows just these already is left alone: with many, drawing takes a second.
    const all = rows.length === data.experiments.length;
    const filter = all ? "" : JSON.stringify([...state.kinds, state.phase, state.search]);
    if (views.main && filter !== drawn) {
      drawn = filter;
      const numbers = new Set(rows.map((row) => row.number));
      for (const name of ["experiments", "others"].filter((one) => (main[one] || []).length))
        views.main.data(name, main[name].filter((row) => numbers.has(row.number)));
      views.main.run();
    }
  }

  function showDetail(number) {
    const row = data.experiments.find((one) => one.number === number);
    if (!row) return;
    byId("detail-title").textContent = `#${row.number} ${row.title}`;
    const interval = row.interval ? ` (${figure(row.interval[0], true)} to ${figure(row.interval[1], true)})` : "";
    const numbers = row.difference === null ? "" : `: difference ${figure(row.difference, true)}${interval}`;
    byId("detail-verdict").textContent =
      `${row.verdict}, ${row.reason}${numbers}. Phase ${row.phase}, proposed by ${row.proposer}, ${row.seeds === 1 ? "1 seed" : `${row.seeds} seeds`}.`;
    byId("detail-explanation").replaceChildren(
      ...row.explanation.split("\n").map((line) => element("p", { textContent: line })));
    const diff = data.diffs[number];
    byId("detail-diff").replaceChildren(...(diff
      ? diff.split("\n").map((line) => element("span", {
          textContent: `${line}\n`,
          className: /^\+(?!\+\+)/.test(line) ? "added" : /^-(?!--)/.test(line) ? "removed" : "",
        }))
      : [`It is not kept in this page. Run: python -m bot diff ${number}`]));
    byId("detail").showModal();
  }

  const crowded = (spec) => (spec.datasets.experiments || []).length > 1500;

  function themed(spec) {
    let text = JSON.stringify({ ...spec, datasets: undefined, config: undefined });
    const config = structuredClone(data.config[dark.matches ? "dark" : "light"]);
    config.background = null;
    if (crowded(spec)) config.aria = false; // a canvas has no elements that a description fits
    if (dark.matches)
      for (const [light, other] of Object.entries(data.palette)) text = text.replaceAll(light, other);
    if (narrow.matches) config.legend.columns = 1;
    return { ...JSON.parse(text), config, datasets: spec.datasets };
  }

  async function drawCharts() {
    for (const [id, spec] of Object.entries(data.charts)) {
      const made = await vegaEmbed(byId(id), themed(spec), {
        mode: "vega-lite", actions: false, ast: true, renderer: crowded(spec) ? "canvas" : "svg",
        tooltip: { theme: dark.matches ? "dark" : "light" },
        logLevel: 1,  // errors: a filter that leaves nothing is none
      });
      views[id] = made.view;
      if (id === "main") drawn = "";
      if (id === "main")
        made.view.addEventListener("click", (_, item) => {
          if (item && item.datum && item.datum.number) showDetail(item.datum.number);
        });
    }
    drawTable();
    document.documentElement.dataset.drawn = "yes";
  }

  function prepare() {
    byId("headers").append(...columns.map((column) => {
      const button = element("button", { type: "button" }, column.name, element("span", { ariaHidden: "true" }));
      button.addEventListener("click", () => {
        state.down = state.sort === column.key ? !state.down : Boolean(column.number);
        state.sort = column.key;
        drawTable();
      });
      const header = element("th", { scope: "col" }, button);
      header.dataset.key = column.key;
      if (column.wide) header.classList.add("wide");
      return header;
    }));
    for (const kind of new Set(data.experiments.map((row) => row.kind))) {
      state.kinds.add(kind);
      const box = element("input", { type: "checkbox", checked: true, value: kind });
      box.addEventListener("change", () => {
        state.kinds[box.checked ? "add" : "delete"](kind);
        drawTable();
      });
      byId("kinds").append(element("label", {}, box, ` ${kind}`));
    }
    byId("phase").append(...[...new Set(data.experiments.map((row) => row.phase))].map((phase) =>
      element("option", { value: phase, textContent: phase })));
    byId("phase").addEventListener("change", (event) => { state.phase = event.target.value; drawTable(); });
    byId("search").addEventListener("input", (event) => {
      state.search = event.target.value.trim().toLowerCase();
      state.shown = PAGE;
      drawTable();
    });
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("more").addEventListener("click", () => { state.shown += 4 * PAGE; drawTable(); });
    byId("close").addEventListener("click", () => byId("detail").close());
    for (const query of [dark, narrow]) query.addEventListener("change", drawCharts);
  }

  // What follows is for a page that `--watch` serves: it is loaded anew when something has happened,
  // and stands then as it stood before.
  const KEPT = "mergelab-view";
  const TYPING_MS = 4000;
  let touched = -Infinity;  // when the person last used the filters

  function nameOf(active) {
    if (active.id) return `#${active.id}`;
    if (active.dataset.number) return `#rows button[data-number="${active.dataset.number}"]`;
    if (active.closest("#headers")) return `#headers [data-key="${active.parentElement.dataset.key}"] button`;
    if (active.closest("#kinds")) return `#kinds input[value="${CSS.escape(active.value)}"]`;
    return "";
  }

  function keep() {
    const off = [...byId("kinds").querySelectorAll("input")].filter((box) => !box.checked);
    const { sort, down, shown } = state;
    sessionStorage.setItem(KEPT, JSON.stringify({
      sort, down, shown, off: off.map((box) => box.value),
      search: byId("search").value, caret: byId("search").selectionStart, phase: state.phase,
      focus: nameOf(document.activeElement), top: scrollY,
      left: document.querySelector(".scroll:has(#experiments)").scrollLeft,
    }));
  }

  function kept() {
    try {
      const found = JSON.parse(sessionStorage.getItem(KEPT));
      sessionStorage.removeItem(KEPT);
      return found && columns.some((column) => column.key === found.sort) ? found : null;
    } catch { return null; }
  }

  function restoreFilters(view) {
    Object.assign(state, { sort: view.sort, down: view.down === true, shown: Number(view.shown) || PAGE });
    byId("search").value = view.search;
    state.search = byId("search").value.trim().toLowerCase();
    byId("phase").value = view.phase;
    if (byId("phase").selectedIndex < 0) byId("phase").selectedIndex = 0;
    state.phase = byId("phase").value;
    for (const box of byId("kinds").querySelectorAll("input"))
      if (view.off.includes(box.value)) { box.checked = false; state.kinds.delete(box.value); }
  }

  function restorePlace(view) {
    document.querySelector(".scroll:has(#experiments)").scrollLeft = view.left;
    const active = view.focus && document.querySelector(view.focus);
    if (active) active.focus({ preventScroll: true });
    if (active === byId("search")) active.setSelectionRange(view.caret, view.caret);
    scrollTo(0, view.top);
  }

  async function watch() {
    // Its address answers with the name of the project's present state.
    const answer = await fetch("version", { cache: "no-store" }).catch(() => null);
    const news = answer && answer.ok ? await answer.json() : null;
    const told = news ? news.looked : "It does not refresh: nothing answers at this address any more.";
    byId("looked").textContent = told;
    byId("looked").hidden = !told;
    if (!news || news.version === data.watch || busy()) return;
    // It takes a while to be made, and may fail: an error in its place would never try again.
    const page = await fetch("./", { cache: "no-store" }).catch(() => null);
    if (!page || !page.ok || busy()) return;
    keep();
    location.reload();
  }

  function busy() {
    const typing = performance.now() - touched < TYPING_MS;
    return typing || byId("detail").open || !getSelection().isCollapsed;
  }

  function watchOn() {
    setTimeout(async () => {
      await watch().catch(() => null);  // the server went away in the middle of an answer
      watchOn();
    }, 5000);
  }

  async function watched() {
    history.scrollRestoration = "manual";  // charts come later and move everything
    const view = kept();
    if (view) restoreFilters(view);
    for (const event of ["input", "keydown", "pointerdown"])
      byId("filters").addEventListener(event, () => { touched = performance.now(); });
    drawTable();
    await drawCharts();
    if (view) restorePlace(view);
    await watch().catch(() => null);
    watchOn();
  }

  prepare();
  if (data.watch) watched();
  else {
    drawTable();
    drawCharts();
  }
})();
