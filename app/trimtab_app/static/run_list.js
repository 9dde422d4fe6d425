// Draws the runs as a table: ticks and followed links go to the server, changed cells come from it.
const HEADS = ["", "Run", "Progress", "Recommended"];

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function table() {
  const made = element("table", { class: "runs" });
  const heads = element("tr");
  for (const head of HEADS) {
    heads.append(head ? element("th", { scope: "col" }, head) : element("td"));
  }
  const head = element("thead");
  head.append(heads);
  made.append(element("caption", { class: "skip" }, "Runs of this workspace"), head, element("tbody"));
  return made;
}

function row(line, isTicked) {
  const made = element("tr", { "data-run": line.id });
  const tick = element("input", { type: "checkbox", "aria-label": `Select ${line.id}` });
  tick.checked = isTicked;
  const first = element("td");
  first.append(tick);
  const name = element("th", { scope: "row" });
  name.append(element("a", { href: line.href }, line.id));
  made.append(first, name, ...line.cells.map(() => element("td")));
  return made;
}

function fill(made, line) {
  line.cells.forEach((markup, at) => {
    const cell = made.cells[at + 2];
    if (cell.dataset.markup === markup) return;
    cell.innerHTML = markup; // every text in it was escaped by the server
    cell.dataset.markup = markup;
  });
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let box = parentElement.querySelector(".tt");
  if (!box) {
    box = element("div", { class: "tt" });
    box.append(table());
    parentElement.append(box);
  }
  const body = box.querySelector("tbody");
  const known = new Map([...body.rows].map((made) => [made.dataset.run, made]));
  const shown = data.lines.map((line) => {
    const made = known.get(line.id) ?? row(line, data.ticked.includes(line.id));
    fill(made, line);
    return made;
  });
  const same = shown.length === body.rows.length && shown.every((made, at) => made === body.rows[at]);
  if (!same) body.replaceChildren(...shown);
  box.onchange = () => {
    const ticked = [...body.querySelectorAll("input:checked")];
    setStateValue("ticked", ticked.map((tick) => tick.closest("tr").dataset.run));
  };
  box.onclick = (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    setTriggerValue("opened", link.closest("tr").dataset.run);
  };
}
