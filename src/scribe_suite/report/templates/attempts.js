"use strict";
(() => {
  const STEP = 200;  // rows that are shown at once; a button shows more
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = Object.fromEntries(data.fields.map((name, place) => [name, place]));
  const body = document.querySelector("#attempts tbody");
  const count = document.getElementById("count");
  const more = document.getElementById("more");
  const search = document.getElementById("search");
  const filters = [...document.querySelectorAll("select[data-filter]")];
  const heads = [...document.querySelectorAll("th[data-key]")];

  const text = {
    task: row => data.tasks[row[at.task]],
    provider: row => data.providers[row[at.provider]],
    outcome: row => data.outcomes[row[at.outcome]][0],
    family: row => text.task(row).split("/")[0],
    note: row => row[at.note],
  };
  const number = value => value.toLocaleString("en-US", { maximumFractionDigits: 0 });
  const shown = {
    trial: value => `t${value}`,
    skill: value => value.toFixed(3),
    confidence: value => value.toFixed(2),
    cost: value => `$${value.toFixed(value && value < 0.1 ? 4 : 2)}`,
    seconds: value => (value < 10 ? `${value.toFixed(2)} s` : value < 120 ? `${value.toFixed(0)} s`
      : value < 7200 ? `${Math.floor(Math.round(value) / 60)} min ${Math.round(value) % 60} s`
      : `${(value / 3600).toFixed(1)} h`),
    tokens: number,
    cells: number,
  };

  // what is searched, made once: ten thousand rows are filtered while somebody types
  const haystacks = data.rows.map(row =>
    [text.task(row), text.provider(row), `t${row[at.trial]}`, text.outcome(row), text.note(row)].join(" ").toLowerCase());
  const order = data.rows.map((_, place) => place);
  const state = { sort: "", down: false };
  let found = order;
  let limit = STEP;

  const compare = key => {
    const value = key in shown ? row => row[at[key]] : key === "note" ? row => text.note(row) || null
      : row => row[at[key]];  // names are numbered in their order
    const sign = state.down ? -1 : 1;
    return (a, b) => {
      const x = value(data.rows[a]);
      const y = value(data.rows[b]);
      if (x === null || y === null) return (x === null) - (y === null) || a - b;  // nothing is last both ways
      return (x < y ? -sign : x > y ? sign : 0) || a - b;
    };
  };

  const cell = (row, key) => {
    const made = document.createElement(key === "task" ? "th" : "td");
    if (key === "task") {
      const link = document.createElement("a");
      link.href = `attempts/${encodeURIComponent(row[at.slug])}.html`;
      link.textContent = text.task(row);
      made.scope = "row";
      made.append(link);
    } else if (key === "outcome") {
      const [name, kind] = data.outcomes[row[at.outcome]];
      const mark = document.createElement("span");
      mark.className = `outcome ${kind}`;
      mark.textContent = name;
      made.append(mark);
    } else if (key in shown) {
      const value = row[at[key]];
      made.textContent = value === null ? "\u2013" : shown[key](value);
    } else {
      const part = document.createElement("span");
      part.textContent = text[key](row);
      made.append(part);
    }
    if (key === "provider" || key === "outcome" || key === "note") made.className = "text";
    return made;
  };

  const draw = () => {
    const rows = found.slice(0, limit).map(place => {
      const made = document.createElement("tr");
      made.append(...data.columns.map(key => cell(data.rows[place], key)));
      return made;
    });
    body.replaceChildren(...rows);
    const all = number(data.rows.length);
    count.textContent = found.length === data.rows.length ? `${all} attempts` : `${number(found.length)} of ${all} attempts`;
    more.hidden = found.length <= limit;
    more.textContent = `Show ${number(Math.min(STEP, found.length - limit))} more`;
  };

  const remember = () => {
    const kept = new URLSearchParams();
    if (search.value) kept.set("search", search.value);
    for (const one of filters) if (one.value) kept.set(one.dataset.filter, one.value);
    if (state.sort) kept.set("sort", (state.down ? "-" : "") + state.sort);
    try {
      history.replaceState(null, "", `#${kept}`);
    } catch { /* the page works without being remembered */ }
  };

  const update = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = filters.filter(one => one.value).map(one => [text[one.dataset.filter], one.value]);
    found = order.filter(place =>
      words.every(word => haystacks[place].includes(word))
      && wanted.every(([of, value]) => of(data.rows[place]) === value));
    if (state.sort) found.sort(compare(state.sort));
    for (const head of heads) {
      const chosen = head.dataset.key === state.sort;
      head.setAttribute("aria-sort", chosen ? (state.down ? "descending" : "ascending") : "none");
    }
    limit = STEP;
    draw();
  };

  const recall = () => {
    const kept = new URLSearchParams(location.hash.slice(1));
    search.value = kept.get("search") || "";
    for (const one of filters) {
      one.value = kept.get(one.dataset.filter) || "";
      if (one.selectedIndex < 0) one.value = "";
    }
    const sort = kept.get("sort") || "";
    state.down = sort.startsWith("-");
    state.sort = data.columns.includes(sort.replace(/^-/, "")) ? sort.replace(/^-/, "") : "";
    update();
  };

  const changed = () => { update(); remember(); };
  search.addEventListener("input", changed);
  for (const one of filters) one.addEventListener("change", changed);
  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => {
      const key = head.dataset.key;
      // numbers begin with the largest, a third click brings the order of the run back
      const first = key in shown && key !== "trial";
      if (state.sort !== key) Object.assign(state, { sort: key, down: first });
      else if (state.down === first) state.down = !first;
      else Object.assign(state, { sort: "", down: false });
      changed();
    });
  }
  more.addEventListener("click", () => { limit += STEP; draw(); });
  document.getElementById("reset").addEventListener("click", () => {
    search.value = "";
    for (const one of filters) one.value = "";
    Object.assign(state, { sort: "", down: false });
    changed();
  });
  addEventListener("hashchange", recall);
  document.getElementById("controls").hidden = false;
  recall();
})();
