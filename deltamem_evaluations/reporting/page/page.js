// Sorts a table by a column. Without script the table reads the same, in the order it was written.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const value = (row, i) => {
    const cell = row.cells[i];
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    return (cell.querySelector(".own") ?? cell).textContent.trim();
  };
  const order = (a, b, sign) => {
    const blank = (v) => v === "" || v === "–";
    if (blank(a) || blank(b)) return blank(a) - blank(b);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
  };
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.title = "Sort by this column";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const rows = [...body.rows];
      const numeric = rows.some((row) => row.cells[i].dataset.value !== undefined);
      // numbers show the largest first
      const was = head.getAttribute("aria-sort");
      const now = was ? (was === "descending" ? "ascending" : "descending")
        : (numeric ? "descending" : "ascending");
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", now);
      const sign = now === "ascending" ? 1 : -1;
      rows.sort((a, b) => order(value(a, i), value(b, i), sign));
      body.append(...rows);
    });
  });
}

// Gives each label of a row a column of its own where the table fits, or half of it is left.
const spread = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const table = target.querySelector("table");
    table.classList.add("spread");
    let width = 0;
    [...table.tHead.rows[0].querySelectorAll(".label")].forEach((head, i) => {
      table.style.setProperty(`--left-${i}`, `${width}px`);
      width += head.offsetWidth;
    });
    const fits = table.offsetWidth <= target.clientWidth || width <= target.clientWidth / 2;
    table.classList.toggle("spread", fits);
  }
});
for (const table of document.querySelectorAll(".scroll > table")) spread.observe(table.parentElement);

// Narrows the flips down to words, a group and a kind; a link to one of them shows it in any case.
const tools = document.querySelector(".tools");
const flips = [...document.querySelectorAll(".flip")];
const texts = new Map();
const textOf = (flip) => {
  if (!texts.has(flip)) texts.set(flip, flip.textContent.toLowerCase());
  return texts.get(flip);
};
function narrow() {
  const words = tools.querySelector("[type=search]").value.toLowerCase().trim().split(/\s+/);
  const group = tools.querySelector("select")?.value ?? "";
  const kind = tools.querySelector(":checked[type=radio]").value;
  for (const flip of flips) {
    flip.hidden = !((!kind || flip.classList.contains(kind))
      && (!group || flip.dataset.groups.split(" ").includes(group))
      && words.every((word) => textOf(flip).includes(word)));
  }
  const everything = !kind && !group && !words[0];
  for (const pair of document.querySelectorAll(".pair")) {
    const left = pair.querySelectorAll(".flip:not([hidden])").length;
    pair.querySelector(".found").textContent = everything ? "" : `${left} found`;
  }
  const left = flips.filter((flip) => !flip.hidden).length;
  tools.querySelector("output").textContent = everything ? "" : `${left} of ${flips.length} found`;
}
function reveal() {
  const target = document.getElementById(location.hash.slice(1));
  if (!target) return;
  if (target.hidden) {
    tools.querySelector("[type=search]").value = "";
    for (const each of tools.querySelectorAll("option:first-child")) each.selected = true;
    tools.querySelector("[type=radio]").checked = true;
    narrow();
  }
  for (let at = target.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
  target.scrollIntoView();
}
if (tools) {
  tools.hidden = false;
  tools.addEventListener("input", narrow);
}
addEventListener("hashchange", reveal);
reveal();
