(() => {
  "use strict";
  const NS = "http://www.w3.org/2000/svg";
  const $ = (id) => document.getElementById(id);
  let shown = 0;

  // Text of others is only ever text: no markup is made of a string.
  function el(name, text, attributes = {}) {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = String(text);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }
  function shape(name, attributes, text) {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }
  const points = (value) => (100 * value).toFixed(1);
  function left(seconds) {
    if (seconds < 100) return `${Math.round(seconds)} s left`;
    return seconds < 6000 ? `${Math.round(seconds / 60)} min left` : `${(seconds / 3600).toFixed(1)} h left`;
  }
  function bar(value, label) {
    return el("progress", undefined, { max: 1, value, "aria-label": label });
  }
  function post(what, cell) {
    fetch(what, { method: "POST", body: cell || "" });
  }

  // A batch may take a minute without news: the page must not look frozen meanwhile.
  function ages() {
    for (const one of document.querySelectorAll("[data-since]")) {
      const seconds = Math.floor(Date.now() / 1000 - Number(one.dataset.since));
      one.textContent = seconds < 5 ? "" : ` · ${seconds} s`;
    }
  }

  function cells(data) {
    const rows = data.cells.map((cell) => {
      const row = el("tr");
      row.dataset.id = cell.id;
      row.classList.toggle("active", cell.active);
      row.classList.toggle("over", cell.over);
      const state = el("td", cell.state);
      if (cell.since !== null) state.append(el("span", "", { class: "age", "data-since": cell.since }));
      row.append(el("td", cell.name), state, el("td", `${cell.done} of ${cell.total}`));
      const training = el("td");
      if (cell.training !== null) training.append(bar(cell.training, `training of ${cell.name}`));
      row.append(training, el("td", cell.result || cell.so_far));
      const last = el("td");
      if (!cell.over) {
        const button = el("button", "Skip", { type: "button", "aria-label": `Skip ${cell.name}` });
        button.addEventListener("click", () => { button.disabled = true; post("skip", cell.id); });
        last.append(button);
      }
      row.append(last);
      return row;
    });
    $("cells").tBodies[0].replaceChildren(...rows);
    $("so-far").hidden = !data.cells.some((cell) => cell.so_far && !cell.result);
    ages();
    const share = data.cells.map((cell) => {
      if (cell.result) return 1;
      const answered = cell.total ? cell.done / cell.total : 0;
      return cell.training === null ? answered : (cell.training + answered) / 2;
    });
    $("whole").value = share.length ? share.reduce((a, b) => a + b, 0) / share.length : 0;
    const rest = data.seconds_left === null ? "" : ` · ${left(data.seconds_left)}`;
    $("state").textContent = data.state + rest;
    $("stop").hidden = data.state !== "running";
  }

  function line(series, x, y, kind) {
    return shape("polyline", { class: kind, points: series.map(([at, value]) => `${x(at)},${y(value)}`).join(" ") });
  }
  function curves(data) {
    $("loss").hidden = !data.curves.length;
    const figures = data.curves.map((curve) => {
      const all = [...curve.loss, ...curve.dev];
      const last = Math.max(...all.map(([at]) => at));
      const top = Math.max(...all.map(([, value]) => value)) || 1;
      const x = (at) => 4 + (312 * at) / last, y = (value) => 124 - (116 * value) / top;
      const now = curve.loss[curve.loss.length - 1][1];
      const title = `${curve.name}: loss ${now.toFixed(3)}`;
      const drawing = shape("svg", { viewBox: "0 0 320 128", role: "img", "aria-label": title });
      drawing.append(line(curve.loss, x, y, "train"));
      if (curve.dev.length > 1) drawing.append(line(curve.dev, x, y, "dev"));
      const figure = el("figure");
      figure.append(el("figcaption", title), drawing);
      return figure;
    });
    $("loss").querySelector(".multiples").replaceChildren(...figures);
  }

  function answers(data) {
    $("answers").hidden = !data.answers.length;
    const rows = data.answers.map((one) => {
      const row = el("tr");
      const score = one.score === null ? "–" : points(one.score);
      row.append(...[one.name, one.example, one.output, one.target, score].map((text) => el("td", text)));
      return row;
    });
    $("answers").querySelector("tbody").replaceChildren(...rows);
  }

  function intervals(verdict) {
    const height = 22 * verdict.rows.length + 8;
    const drawing = shape("svg", { class: "intervals", viewBox: `0 0 740 ${height}`, role: "img", "aria-label": "Scores and their intervals" });
    verdict.rows.forEach((row, rank) => {
      const y = 16 + 22 * rank, x = (value) => 200 + 250 * value;
      const of = row.planned === null ? "" : ` of ${row.planned}`;
      drawing.append(
        shape("text", { x: 0, y: y + 4 }, row.recipe),
        shape("line", { class: "axis", x1: x(0), x2: x(1), y1: y, y2: y }),
        shape("line", { x1: x(row.low), x2: x(row.high), y1: y, y2: y }),
        shape("circle", { cx: x(row.mean), cy: y, r: 4 }),
        shape("text", { x: 460, y: y + 4 }, `${points(row.mean)} [${points(row.low)}, ${points(row.high)}] n=${row.n}${of}`),
      );
    });
    return drawing;
  }
  function verdicts(data) {
    if (!data.verdicts.length) return;
    const parts = data.verdicts.map((verdict) => {
      const part = el("div");
      const eyebrow = el("p", undefined, { class: `eyebrow ${verdict.tone}` });
      eyebrow.append(el("span", verdict.badge, { class: "badge" }), ` ${verdict.task} · ${verdict.model}`);
      part.append(eyebrow, el("p", verdict.sentence, { class: "sentence" }), intervals(verdict));
      return part;
    });
    $("live-verdict").replaceChildren(...parts);
  }

  function report(data) {
    if (!data.report || data.report === shown) return;
    shown = data.report;
    $("report").hidden = false;
    const frame = $("frame");
    const at = frame.contentWindow ? frame.contentWindow.scrollY : 0;
    frame.addEventListener("load", () => frame.contentWindow.scrollTo(0, at), { once: true });
    frame.src = `report?v=${shown}`;
  }

  $("stop").addEventListener("click", () => { $("stop").disabled = true; post("stop"); });
  setInterval(ages, 1000);
  const source = new EventSource("events");
  source.addEventListener("message", (event) => {
    const data = JSON.parse(event.data);
    if (data.final) { source.close(); location.reload(); return; }
    cells(data); curves(data); answers(data); verdicts(data); report(data);
    document.documentElement.dataset.updates = Number(document.documentElement.dataset.updates || 0) + 1;
  });
  source.addEventListener("error", () => { $("state").textContent = "disconnected: the page's server has stopped"; });
})();
