// Sorts a table by a column. Without script the table reads the same, in the order it was written.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const value = (row, i) => {
    const cell = row.cells[i];
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
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
