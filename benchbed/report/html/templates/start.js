document.querySelectorAll(".sheet table").forEach(sortable);
document.querySelectorAll("details[data-panel]").forEach(unfolding);
document.querySelectorAll("details[data-ranks]").forEach(ranked);
filterable(document.getElementById("filters"), document.getElementById("chosen"));

document.getElementById("boards").addEventListener("click", (event) => {
  const button = event.target.closest("button.number, button.runs");
  if (button) {
    about(button);
  }
});
document.getElementById("dialog-close").addEventListener("click", () =>
  document.getElementById("dialog").close());
document.getElementById("dialog").addEventListener("click", (event) => {
  // The dialog itself is hit only outside of what is in it.
  if (event.target === event.currentTarget) {
    event.currentTarget.close();
  }
});
