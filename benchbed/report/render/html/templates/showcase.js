// The images and loss curves of a run, embedded for the newest run of each row.

const PICTURES = {
  grid: "Samples",
  nearest: "The samples nearest to a training image, each above that image; then, if some were" +
    " held out, real images in the same way",
};

function showcase(run) {
  const shown = facts.shown[run];
  if (!shown) {
    return [make("p", { class: "quiet" },
      `This page embeds images for the newest run of each row, for at most ${facts.shownAtMost}` +
      ` runs. Images of this run, if any, are in results/showcase/${run}.`)];
  }
  const found = Object.entries(PICTURES)
    .filter(([name]) => shown[name])
    .map(([name, title]) => figure(run, shown[name], title));
  if (!found.length) {
    found.push(make("p", { class: "quiet" }, "No images are published for this run."));
  }
  const course = shown.curves ? lines(shown.curves, `Training losses of ${run}`) : null;
  found.push(course
    ? make("figure", { class: "course" }, course, make("figcaption", {}, "Training losses"))
    : make("p", { class: "quiet" }, "No training curve is published for this run."));
  return found;
}

function figure(run, content, title) {
  const image = make("img", {
    src: `data:image/jpeg;base64,${content}`, alt: `${title}, of the run ${run}`,
  });
  const large = make("button", { type: "button", class: "picture", "aria-pressed": "false" }, image);
  large.addEventListener("click", () => {
    const wide = large.classList.toggle("wide");
    large.setAttribute("aria-pressed", String(wide));
  });
  return make("figure", {}, large, make("figcaption", {}, title));
}
