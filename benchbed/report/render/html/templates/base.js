// Helpers for all parts: the page's data, elements, formatting.

const facts = JSON.parse(document.getElementById("facts").textContent);
const MISSING = "–";

// Text is inserted as text, never as markup: names, notes and settings are untrusted input.
function element(space, tag, attributes, children) {
  const made = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

const make = (tag, attributes = {}, ...children) => element(null, tag, attributes, children);

const draw = (tag, attributes = {}, ...children) =>
  element("http://www.w3.org/2000/svg", tag, attributes, children);

const shared = (place) => (place === undefined || place === null ? null : facts.shared[place]);

// Four significant digits, as in the tables.
function short(value) {
  if (typeof value !== "number") {
    return value === null || value === undefined ? MISSING : String(value);
  }
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-4 || size >= 1e6)) {
    return value.toExponential(3);
  }
  return String(Number(value.toPrecision(4)));
}

function words(value) {
  if (value === null || value === undefined || value === "") {
    return MISSING;
  }
  if (Array.isArray(value)) {
    return value.map(words).join(", ") || MISSING;
  }
  if (typeof value === "object") {
    return Object.entries(value).map(([name, part]) => `${name} ${words(part)}`).join(", ") || MISSING;
  }
  return String(value);
}

function duration(seconds) {
  return seconds < 120 ? `${Math.round(seconds)} s` : `${short(seconds / 60)} min`;
}

function memory(bytes) {
  return bytes ? `${short(bytes / 1e9)} GB` : MISSING;
}
