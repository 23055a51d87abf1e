/* The example explorer. Its whole state is in the address: #examples?a=RUN&b=RUN&outcome=…&id=EXAMPLE */
const explorer = document.getElementById("explorer");
const PAGE = 100;

if (explorer) {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const index = read("data-index");
  const form = explorer.querySelector("form");
  const drawer = document.getElementById("drawer");
  const runs = index.groups.flatMap((group) => group.runs.map((run) => ({ ...run, group })));
  const blocks = new Map();
  const state = { a: "", b: "", outcome: "", failure: "", meta: "", over: "", q: "", order: "", id: "" };
  let found = [];
  let page = 0;
  let current = 0;

  const answers = (run) => {
    if (!blocks.has(run.id)) {
      const block = read(run.block);
      block.byId = new Map(block.answers.map((answer) => [answer.id, answer]));
      blocks.set(run.id, block);
    }
    return blocks.get(run.id);
  };
  const runOf = (id) => runs.find((run) => run.id === id);
  const words = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const given = (input) => {
    const values = Object.values(input);
    return values.length === 1 ? words(values[0]) : Object.entries(input).map(([k, v]) => `${k}: ${words(v)}`).join("\n");
  };
  const points = (score) => (score === null || score === undefined ? "–" : (100 * score).toFixed(1));
  const outcomeOf = (a, b) => {
    if (!a || !b || a.score === null || b.score === null) return "unknown";
    return b.score > a.score ? "fixed" : b.score < a.score ? "broken" : "same";
  };

  function options(select, entries, chosen) {
    select.replaceChildren(...entries.map(([value, text]) => {
      const option = make("option", text);
      option.value = value;
      return option;
    }));
    select.value = chosen;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
  }

  function runOptions(select, chosen) {
    const several = index.groups.length > 1;
    options(select, runs.map((run) => [run.id, several ? `${run.group.name} · ${run.name}` : run.name]), chosen);
  }

  function defaults() {
    const group = (runOf(state.b) ?? runOf(state.a) ?? runs[0]).group;
    const chosen = group.runs.find((run) => run.chosen) ?? group.runs[0];
    if (!runOf(state.b)) state.b = chosen.id;
    const others = group.runs.filter((run) => run.recipe !== runOf(state.b).recipe);
    const other = others.find((run) => run.recipe === "zero_shot") ?? others[0] ?? group.runs.find((run) => run.id !== state.b) ?? chosen;
    if (!runOf(state.a) || runOf(state.a).group !== runOf(state.b).group) state.a = other.id;
  }

  function refreshOptions() {
    runOptions(form.a, state.a);
    runOptions(form.b, state.b);
    const block = answers(runOf(state.b));
    const modes = [...new Set(block.answers.map((answer) => answer.failure).filter(Boolean))].sort();
    const kinds = [["", "all"], ["right", "none: right"], ...modes.map((mode) => [mode, mode]), ["error", "execution error"]];
    options(form.failure, kinds, state.failure);
    const pairs = new Map();
    for (const answer of block.answers) {
      for (const [key, value] of Object.entries(answer.meta ?? {})) {
        if (typeof value !== "object") pairs.set(`${key}=${value}`, (pairs.get(`${key}=${value}`) ?? 0) + 1);
      }
    }
    const common = [...pairs].filter(([, count]) => count > 1).sort().slice(0, 60);
    form.meta.closest("label").hidden = common.length === 0;
    options(form.meta, [["", "all"], ...common.map(([pair, count]) => [pair, `${pair} (${count})`])], state.meta);
    for (const name of ["outcome", "order", "q", "over"]) form[name].value = state[name];
  }

  function matches(a, b) {
    if (state.outcome && outcomeOf(a, b) !== state.outcome) return false;
    if (state.failure) {
      const failed = b.finish_reason === "error" ? "error" : b.failure ?? "right";
      if (failed !== state.failure) return false;
    }
    if (state.meta && !Object.entries(b.meta ?? {}).some(([key, value]) => `${key}=${value}` === state.meta)) return false;
    if (state.over && !(b.seconds > Number(state.over))) return false;
    if (!state.q) return true;
    const wanted = state.q.toLowerCase();
    return [given(b.input), b.output, a?.output ?? "", b.id, b.label ?? ""].some((text) => text.toLowerCase().includes(wanted));
  }

  function select() {
    const [a, b] = [answers(runOf(state.a)), answers(runOf(state.b))];
    found = b.answers.map((answer) => [a.byId.get(answer.id), answer]).filter((pair) => matches(...pair));
    const gain = ([one, other]) => (other.score ?? 0) - (one?.score ?? 0);
    const orders = {
      gain: (one, other) => gain(other) - gain(one),
      loss: (one, other) => gain(one) - gain(other),
      slow: (one, other) => other[1].seconds - one[1].seconds,
    };
    if (orders[state.order]) found.sort(orders[state.order]);
  }

  function tally() {
    const count = { fixed: 0, broken: 0, same: 0, unknown: 0 };
    for (const pair of found) count[outcomeOf(...pair)]++;
    const total = answers(runOf(state.b)).answers.length;
    const open = count.unknown ? `, ${count.unknown} not scored by both` : "";
    explorer.querySelector(".tally").textContent = `${found.length} of ${total} examples, from ${runOf(state.a).name} (A) ` +
      `to ${runOf(state.b).name} (B): ${count.fixed} fixed, ${count.broken} broken, ${count.same} same${open}.`;
  }

  function list() {
    const rows = found.slice(page * PAGE, (page + 1) * PAGE).map(([a, b], place) => {
      const row = make("tr");
      row.classList.toggle("current", page * PAGE + place === current);
      const outcome = outcomeOf(a, b);
      const link = make("a", b.label ?? b.id);
      link.href = address({ ...state, id: b.id });
      const head = make("th");
      head.scope = "row";
      head.append(link);
      row.append(head, make("td", given(b.input).slice(0, 200), "input"), make("td", points(a?.score), "num"),
        make("td", points(b.score), "num"), make("td", outcome, outcome), make("td", b.error ? "error" : b.failure ?? ""));
      row.addEventListener("click", (event) => {
        if (event.target.closest("a")) return;
        go({ id: b.id });
      });
      return row;
    });
    explorer.querySelector("tbody").replaceChildren(...rows);
    const pages = Math.max(Math.ceil(found.length / PAGE), 1);
    const pager = explorer.querySelector(".pager");
    pager.hidden = pages === 1;
    pager.querySelector("span").textContent = `page ${page + 1} of ${pages}`;
    pager.querySelector('[data-turn="-1"]').disabled = page === 0;
    pager.querySelector('[data-turn="1"]').disabled = page === pages - 1;
  }

  function address(wanted) {
    const kept = Object.entries(wanted).filter(([, value]) => value);
    return `#examples?${new URLSearchParams(kept)}`;
  }

  /* Opening an example is a step in the history; changing a filter is not. */
  function go(change, replace = false) {
    const next = address({ ...state, ...change });
    if (replace) history.replaceState(null, "", next);
    else history.pushState(null, "", next);
    fromAddress();
  }

  function fromAddress(scroll = false) {
    const [place, query] = location.hash.slice(1).split("?");
    if (place !== "examples" || query === undefined) {
      if (drawer.open) drawer.close();
      return;
    }
    const wanted = new URLSearchParams(query);
    const before = JSON.stringify({ ...state, id: "" });
    for (const name of Object.keys(state)) state[name] = wanted.get(name) ?? "";
    defaults();
    if (JSON.stringify({ ...state, id: "" }) !== before) {
      page = 0;
      current = 0;
      update();
    }
    if (scroll) document.getElementById("examples").scrollIntoView();
    showDrawer();
  }

  function update() {
    refreshOptions();
    select();
    tally();
    list();
  }

  function showDrawer() {
    if (!state.id) {
      if (drawer.open) drawer.close();
      return;
    }
    const place = found.findIndex(([, b]) => b.id === state.id);
    const b = answers(runOf(state.b)).byId.get(state.id);
    if (!b) return;
    if (place >= 0) {
      current = place;
      page = Math.floor(place / PAGE);
      list();
    }
    drawExample(drawer, answers(runOf(state.a)).byId.get(state.id), b, {
      a: runOf(state.a).name, b: runOf(state.b).name, given, words, points, failures: index.failures,
      texts: { a: answers(runOf(state.a)).passages, b: answers(runOf(state.b)).passages },
    });
    drawer.querySelector('[data-step="-1"]').disabled = place <= 0;
    drawer.querySelector('[data-step="1"]').disabled = place < 0 || place === found.length - 1;
    if (!drawer.open) {
      drawer.showModal();
      drawer.focus();
    }
    drawer.scrollTop = 0;
  }

  function step(by) {
    const place = Math.min(Math.max(current + by, 0), found.length - 1);
    if (place < 0) return;
    current = place;
    if (drawer.open) return go({ id: found[place][1].id }, true);
    page = Math.floor(place / PAGE);
    list();
    explorer.querySelector("tr.current").scrollIntoView({ block: "nearest" });
  }

  form.addEventListener("input", () => {
    const values = Object.fromEntries(["outcome", "failure", "meta", "over", "q", "order", "a", "b"].map((n) => [n, form[n].value]));
    go({ ...values, id: "" }, true);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  explorer.querySelector(".pager").addEventListener("click", (event) => {
    const by = Number(event.target.dataset?.turn ?? 0);
    if (!by) return;
    page += by;
    current = page * PAGE;
    list();
  });
  drawer.addEventListener("click", (event) => {
    if (event.target === drawer || "close" in event.target.dataset) drawer.close();
    else if (event.target.dataset.step) step(Number(event.target.dataset.step));
  });
  drawer.addEventListener("close", () => { if (state.id) go({ id: "" }, true); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea")) return;
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      step(event.key === "j" ? 1 : -1);
    } else if (event.key === "Enter" && !drawer.open && event.target === document.body && found[current]) {
      event.preventDefault(); // or the key would go on to press the drawer's first button
      go({ id: found[current][1].id });
    }
  });
  window.addEventListener("hashchange", () => fromAddress(true));
  window.addEventListener("popstate", () => fromAddress());

  /* Answers past the size cap lie in a file beside the page; a page from disk may not read it unasked. */
  const beside = document.querySelector(".beside");
  beside?.querySelector("input").addEventListener("change", async (event) => {
    const said = beside.querySelector("span");
    try {
      const added = (await event.target.files[0].text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
      let count = 0;
      for (const { run, ...answer } of added) {
        const block = runOf(run) && answers(runOf(run));
        if (!block || block.byId.has(answer.id)) continue;
        block.answers.push(answer);
        block.byId.set(answer.id, answer);
        count++;
      }
      said.textContent = `${count} answers added.`;
      update();
    } catch (error) {
      said.textContent = `This file cannot be read: ${error.message}`;
    }
  });
  if (beside) beside.hidden = false;

  explorer.hidden = false;
  defaults();
  update();
  fromAddress(true);
}
