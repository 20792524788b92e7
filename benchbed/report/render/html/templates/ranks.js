// The critical-difference picture (Demšar 2006, section 3.2.2): one line per method with its mean
// rank as a dot. A bar at the right joins methods without a significant difference.

const ROW = 36;
const BAR = 14;

function ranked(details) {
  const comparison = facts.comparisons[details.closest(".comparison").dataset.place];
  const found = comparison[details.dataset.ranks];
  unfolded(details, () => {
    if (found.critical !== null) {
      const place = details.querySelector(".picture-of-ranks");
      place.append(later((width) => difference(found, width)));
    }
  });
}

function difference(found, width) {
  const bars = found.groups.filter((group) => group.length > 1);
  const right = width - 12 - BAR * bars.length;
  const ends = [1, Math.max(found.ranks.length, 1 + found.critical)];
  const x = axis(ends, 10, right, true);
  const top = 56;
  const height = top + ROW * found.ranks.length + 8;
  const names = found.ranks.map((rank) => `${rank.label} ${short(rank.mean)}`).join(", ");
  const chart = draw("svg", {
    class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `Mean ranks by ${found.title}: ${names}`,
  });
  for (const tick of x.ticks) {
    const at = x.place(tick);
    chart.append(
      draw("line", { class: "grid", x1: at, x2: at, y1: top - 10, y2: height - 8 }),
      draw("text", { x: at, y: top - 16, "text-anchor": "middle" }, short(tick)),
    );
  }
  chart.append(
    draw("line", { class: "critical", x1: x.place(1), x2: x.place(1 + found.critical), y1: 8, y2: 8 }),
    draw("text", { x: x.place(1), y: 24 }, `critical difference ${short(found.critical)}`),
  );
  found.ranks.forEach((rank, index) => {
    const middle = top + ROW * index + 24;
    chart.append(
      draw("text", { x: 10, y: middle - 9 }, `${rank.label}: ${short(rank.mean)}`),
      draw("line", { class: "rank", x1: 10, x2: x.place(rank.mean), y1: middle, y2: middle }),
      draw("circle", { class: "dot", cx: x.place(rank.mean), cy: middle, r: 4.5 }),
    );
  });
  bars.forEach((group, index) => {
    const rows = found.ranks.flatMap((rank, at) => (group.includes(rank.label) ? [at] : []));
    const at = right + BAR * (index + 0.75);
    chart.append(draw("line", {
      class: "group", x1: at, x2: at,
      y1: top + ROW * Math.min(...rows) + 14, y2: top + ROW * Math.max(...rows) + 26,
    }));
  });
  return chart;
}
