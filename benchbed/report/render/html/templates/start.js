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
  // A click targets the dialog itself only outside its content.
  if (event.target === event.currentTarget) {
    event.currentTarget.close();
  }
});
