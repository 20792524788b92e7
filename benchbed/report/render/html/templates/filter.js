// Filters tables by their protocol and rows by their method.

function filterable(form, output) {
  const sheets = [...document.querySelectorAll(".sheet")];
  const apply = () => {
    const chosen = [...new FormData(form)].filter(([, value]) => value);
    const fits = (place) =>
      chosen.every(([name, value]) => !(name in place.dataset) || `=${place.dataset[name]}` === value);
    let tables = 0;
    let rows = 0;
    for (const sheet of sheets) {
      const own = [...sheet.querySelectorAll("tbody tr")];
      own.forEach((row) => {
        row.hidden = !fits(row);
      });
      const left = own.filter((row) => !row.hidden).length;
      sheet.hidden = !fits(sheet) || !left;
      tables += sheet.hidden ? 0 : 1;
      rows += sheet.hidden ? 0 : left;
    }
    for (const comparison of document.querySelectorAll(".comparison")) {
      comparison.hidden = !fits(comparison);
    }
    for (const board of document.querySelectorAll(".board")) {
      board.hidden = chosen.length > 0 && !board.querySelector(".sheet:not([hidden])");
    }
    output.textContent = `${rows} rows in ${tables} of ${sheets.length} tables`;
  };
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  // The fields have their initial values again only after the event.
  form.addEventListener("reset", () => setTimeout(apply));
  apply();
}
