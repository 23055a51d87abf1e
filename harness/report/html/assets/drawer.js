/* One example in full: what was asked, what each of the two answered, and how it was judged. */
const LONG = 20000;

function drawExample(drawer, a, b, view) {
  drawer.querySelector("h3").textContent = visible(b.label ?? b.id);
  const sides = drawer.querySelector(".sides");
  sides.replaceChildren(make("h4", "Input"), block(view.given(b.input)), make("h4", "Target"), block(pretty(b.target)));
  if (b.context_ids?.length) sides.append(make("p", `Gold documents: ${b.context_ids.join(", ")}`, "cost"));
  const meta = Object.entries(b.meta ?? {});
  if (meta.length) sides.append(make("p", meta.map(([key, value]) => `${key}: ${view.words(value)}`).join(" · "), "cost"));
  const pair = make("div", null, "pair");
  pair.append(side("A", view.a, a, view, view.texts.a), side("B", view.b, b, view, view.texts.b));
  sides.append(pair);
}

function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/* A long text is cut, so that one runaway answer does not freeze the page; the rest is a click away. */
function block(text) {
  const whole = text ?? "";
  const pre = make("pre", whole.slice(0, LONG));
  pre.dir = "auto";
  if (whole === "") pre.append(make("span", "empty", "none"));
  if (whole.length <= LONG) return pre;
  const both = make("div");
  const more = make("button", `Show all ${whole.length.toLocaleString("en")} characters`);
  more.type = "button";
  more.addEventListener("click", () => { pre.textContent = visible(whole); more.remove(); });
  both.append(pre, more);
  return both;
}

function side(letter, name, answer, view, texts) {
  const box = make("div", null, "side");
  box.append(make("h4", `${letter}: ${name}`));
  if (!answer) {
    box.append(make("p", "Not answered by this run, or not in this file.", "none"));
    return box;
  }
  const failure = answer.failure ? `; ${answer.failure}: ${view.failures[answer.failure] ?? ""}` : "";
  box.append(make("p", answer.error ? `Execution error: ${answer.error}` : `Score ${view.points(answer.score)}${failure}`, "verdict-line"));
  box.append(make("p", cost(answer), "cost"));
  if (answer.thoughts) box.append(make("h4", "Thoughts"), block(answer.thoughts));
  box.append(make("h4", "Raw answer"), block(answer.output));
  const strict = answer.strict.status === "valid";
  box.append(make("h4", "Read strictly"), make("p", reading(answer.strict), strict ? "" : "broken"));
  if (!strict) box.append(make("h4", "Read after extraction"), make("p", reading(answer.extracted), ""));
  const value = answer.extracted.value;
  if (value !== null && value !== undefined) {
    box.append(make("h4", "Value, against the target"), difference(pretty(answer.target), pretty(value)));
  }
  box.append(make("h4", "Scores"), scores(answer, view));
  if (answer.passages.length) box.append(passages(answer, texts));
  const prompt = make("details");
  prompt.append(make("summary", "The exact prompt"), block(answer.prompt));
  box.append(prompt);
  if (answer.shots?.length) box.append(make("p", `Examples shown: ${answer.shots.join(", ")}`, "cost"));
  return box;
}

function cost(answer) {
  const said = [`${answer.tokens_in} tokens in, ${answer.tokens_out} out`, `${(answer.seconds ?? 0).toFixed(2)} s`];
  said.push(answer.finish_reason === "length" ? "cut off by the token limit" : `ended by ${answer.finish_reason}`);
  if (answer.cached) said.push("remembered from an earlier run");
  return said.join(" · ");
}

function reading(found) {
  if (found.status === "valid") return "valid";
  return `${found.status}${found.path ? ` at ${found.path}` : ""}: ${found.reason}`;
}

function difference(target, value) {
  const parts = wordDiff(target, value);
  if (parts === null) return block(value);
  const pre = make("pre");
  pre.dir = "auto";
  pre.append(...parts.map((part) => make(part.tag, part.text)));
  return pre;
}

function scores(answer, view) {
  const table = make("table");
  for (const score of answer.scores) {
    const row = table.insertRow();
    const head = make("th", score.scorer);
    head.scope = "row";
    row.append(head, make("td", view.points(score.value), "num"), make("td", score.status), make("td", score.reason));
  }
  return table;
}

function passages(answer, texts) {
  const box = make("details");
  const gold = new Set(answer.context_ids ?? []);
  box.append(make("summary", `${answer.passages.length} passages`));
  for (const passage of answer.passages) {
    const score = typeof passage.score === "number" ? `, score ${passage.score.toFixed(2)}` : "";
    const mark = gold.has(passage.document) ? ", gold" : "";
    box.append(make("h4", `${passage.document}${passage.title ? ` · ${passage.title}` : ""}${score}${mark}`), block(typeof passage.text === "string" ? passage.text : texts[passage.text]));
  }
  return box;
}
