// Sorts a table by a column: best first, then reversed, then in the original order.

const OPPOSITE = { ascending: "descending", descending: "ascending" };

function sortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const next = following(heading);
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      if (next) {
        heading.setAttribute("aria-sort", next);
      }
      body.append(...(next ? sorted(original, column, next) : original));
    });
  });
}

function following(heading) {
  const now = heading.getAttribute("aria-sort");
  const first = heading.dataset.first;
  if (!now) {
    return first;
  }
  return now === first ? OPPOSITE[first] : null;
}

// Rows without a number come last in either order.
function sorted(rows, column, order) {
  const sign = order === "ascending" ? 1 : -1;
  const keys = new Map(rows.map((row) => [row, key(row.cells[column], column)]));
  return [...rows].sort((a, b) => {
    const [left, right] = [keys.get(a), keys.get(b)];
    if (left === null || right === null) {
      return (left === null) - (right === null);
    }
    return sign * (typeof left === "string" ? left.localeCompare(right, "en") : left - right);
  });
}

function key(cell, column) {
  if (column === 0) {
    return cell.textContent.trim();
  }
  const value = Number.parseFloat(cell.dataset.sort);
  return Number.isNaN(value) ? null : value;
}
