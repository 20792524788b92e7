// Lines and points as SVG at the width of their container, so that the text stays readable.

const HEIGHT = 280;
const MARGIN = { left: 62, right: 16, top: 12, bottom: 40 };
const COLOURS = 8;
// An axis of positive values is logarithmic if largest / smallest exceeds this ratio.
const WIDE = 30;

function axis(values, from, to, even = false) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  const log = !even && low > 0 && high / low > WIDE;
  const ticks = log ? powers(low, high) : steps(low, high);
  low = Math.min(low, ticks[0]);
  high = Math.max(high, ticks[ticks.length - 1]);
  const turn = log ? Math.log10 : Number;
  const span = turn(high) - turn(low) || 1;
  const place = (value) => from + ((turn(value) - turn(low)) / span) * (to - from);
  return { log, place, ticks };
}

function steps(low, high) {
  const span = high - low || Math.abs(high) || 1;
  const raw = span / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999);
  const first = Math.floor(low / step);
  const count = Math.max(1, Math.ceil(high / step) - first);
  return Array.from({ length: count + 1 }, (_, n) => Number(((first + n) * step).toPrecision(12)));
}

function powers(low, high) {
  const first = Math.floor(Math.log10(low));
  const count = Math.max(1, Math.ceil(Math.log10(high)) - first);
  return Array.from({ length: count + 1 }, (_, n) => Number(`1e${first + n}`));
}

function frame(width, name, x, y, titles) {
  const bottom = HEIGHT - MARGIN.bottom;
  const right = width - MARGIN.right;
  const chart = draw("svg", {
    class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": name,
  });
  for (const tick of y.ticks) {
    const place = y.place(tick);
    chart.append(
      draw("line", { class: "grid", x1: MARGIN.left, x2: right, y1: place, y2: place }),
      draw("text", { x: MARGIN.left - 6, y: place + 4, "text-anchor": "end" }, short(tick)),
    );
  }
  for (const tick of x.ticks) {
    const place = x.place(tick);
    chart.append(
      draw("line", { class: "grid", x1: place, x2: place, y1: MARGIN.top, y2: bottom }),
      draw("text", { x: place, y: bottom + 16, "text-anchor": "middle" }, short(tick)),
    );
  }
  const [below, beside] = titles;
  const middle = (MARGIN.top + bottom) / 2;
  chart.append(
    draw("text", { x: (MARGIN.left + right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, below),
    draw("text", {
      x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})`,
    }, beside),
  );
  return chart;
}

const room = (place) => Math.max(240, Math.min(720, place.clientWidth));

// A chart needs its width, which is known only after its container is in the page.
function later(fill) {
  const place = make("div");
  requestAnimationFrame(() => place.replaceChildren(fill(room(place))));
  return place;
}

const across = (width) => [MARGIN.left, width - MARGIN.right];
const upwards = [HEIGHT - MARGIN.bottom, MARGIN.top];

// The losses of a run over thousands of images.
function lines(curves, name) {
  const at = curves.columns.indexOf("kimg");
  const series = curves.columns
    .map((column, index) => ({
      name: column,
      points: curves.rows.map((row) => [row[at], row[index]]).filter((p) => !p.includes(null)),
    }))
    .filter((one) => one.name !== "kimg" && one.points.length);
  if (!series.length) {
    return null;
  }
  const all = series.flatMap((one) => one.points);
  const plot = (width) => {
    const x = axis(all.map((p) => p[0]), ...across(width), true);
    const y = axis(all.map((p) => p[1]), ...upwards);
    const titles = ["thousands of images", y.log ? "loss (log scale)" : "loss"];
    const chart = frame(width, name, x, y, titles);
    series.forEach((one, index) => {
      const path = one.points.map((p) => `${x.place(p[0]).toFixed(1)},${y.place(p[1]).toFixed(1)}`);
      chart.append(draw("polyline", { class: `line c${index % COLOURS}`, points: path.join(" ") }));
    });
    return chart;
  };
  const legend = make("ul", { class: "legend" }, ...series.map((one, index) =>
    make("li", {}, swatch(index), make("bdi", {}, one.name),
      ` ${short(one.points[one.points.length - 1][1])} at the end`)));
  return make("div", {}, later(plot), legend);
}

function swatch(index) {
  return draw("svg", { class: "swatch", viewBox: "0 0 24 10", "aria-hidden": "true" },
    draw("line", { class: `line c${index % COLOURS}`, x1: 0, x2: 24, y1: 5, y2: 5 }));
}

// One numbered point for each row of a table.
function points(found, titles) {
  const plot = (width) => {
    const x = axis(found.map((p) => p.x), ...across(width));
    const y = axis(found.map((p) => p.y), ...upwards);
    const named = titles.map((title, n) => ([x, y][n].log ? `${title} (log scale)` : title));
    const chart = frame(width, `${titles[1]} over ${titles[0]}`, x, y, named);
    found.forEach((point, index) => {
      const [left, top] = [x.place(point.x), y.place(point.y)];
      chart.append(
        draw("circle", { class: `point c${index % COLOURS}`, cx: left, cy: top, r: 5 }),
        draw("text", { class: "mark", x: left + 8, y: top - 6 }, String(index + 1)),
      );
    });
    return chart;
  };
  const legend = make("ol", { class: "legend" }, ...found.map((point) =>
    make("li", {}, make("bdi", {}, point.label), `: ${point.xs}, ${point.ys}`)));
  return make("div", {}, later(plot), legend);
}
