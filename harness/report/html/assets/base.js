"use strict";
/* Sorting tables, choosing pictures, copying. Text only ever reaches the page through textContent. */

const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = visible(text);
  if (className) element.className = className;
  return element;
};

/* The same rule as in page.py: characters that hide or that turn the direction of writing are shown. */
const visible = (value) => String(value)
  .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
  .replace(/[\u007f-\u009f]/g, "\ufffd")
  .replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (c) => `⟦U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟧`);

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const descending = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : column > 0;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.sort;
    const rows = [...body.rows].sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
      const order = column === 0 ? a.localeCompare(b) : Number(a) - Number(b);
      return descending ? -order : order;
    });
    body.append(...rows);
  }));
}

function choosable(figure) {
  const views = [...figure.querySelectorAll(":scope > .choice")];
  const groups = [...figure.querySelectorAll(".choices")].map((group) => [...group.querySelectorAll("button")]);
  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  groups.forEach((buttons) => buttons.forEach((button) => button.addEventListener("click", () => {
    buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    const wanted = groups.map((group) => group.find(pressed).textContent);
    const fits = (view) => wanted.every((name) => JSON.parse(view.dataset.choice).includes(name));
    const shown = views.find(fits) ?? views[0];
    views.forEach((view) => { view.hidden = view !== shown; });
  })));
}

function csv(table) {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [...table.rows].map((row) => [...row.cells].map((cell) => quoted(cell.innerText.trim())).join(",")).join("\n");
}

/* One object a row; the headings are the keys, and what is shown is the value. */
function records(table) {
  const [heads, ...rows] = [...table.rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim()));
  return JSON.stringify(rows.map((row) => Object.fromEntries(row.map((text, place) => [heads[place], text]))), null, 1);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = text;
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll("figure").forEach(choosable);
/* What can be scrolled sideways can be reached by keyboard, and nothing else is a stop on the way. */
const wide = new ResizeObserver((seen) => seen.forEach(({ target }) => {
  if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
  else target.removeAttribute("tabindex");
}));
document.querySelectorAll(".draw").forEach((picture) => wide.observe(picture));
document.querySelectorAll("button.copy").forEach((button) => button.addEventListener("click", async () => {
  const parent = button.parentElement;
  const forms = {
    csv: () => csv(parent.querySelector("table")), json: () => records(parent.querySelector("table")),
    command: () => parent.querySelector("pre").innerText,
  };
  await copy(forms[button.dataset.copy]());
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}));
