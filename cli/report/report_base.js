// SPDX-License-Identifier: Apache-2.0
// The page of espalier inspect. Everything that comes from the model is text here, never markup:
// it enters the document through text nodes and attributes only, with characters that are invisible
// or change the direction of text written out.
// The parts are joined in the order of cmake/espalier_report.cmake, into one module.
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("content");
const SVG = "http://www.w3.org/2000/svg";
const DRAWN_MAX = 3000; // boxes at a time
const NARROW = 560; // a drawing this wide or less has short labels, so that children are in sight
const ROW_TEXT_MAX = 1e6;
const HIDDEN = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e" +
    "\\u2060-\\u206f\\ufe00-\\ufe0f\\ufeff\\ufff9-\\ufffb]|\\udb40[\\udc00-\\udfff]",
  "g"
);

// ---- text and elements -------------------------------------------------------------------------
const visible = (text) =>
  String(text).replace(HIDDEN, (c) =>
    [...Array(c.length).keys()]
      .map((i) => "\\u" + c.charCodeAt(i).toString(16).padStart(4, "0"))
      .join("")
  );
const count = (n) => Number(n).toLocaleString("en-US");
const plural = (n, word) =>
  `${count(n)} ${word}${Number(n) === 1 ? "" : word.endsWith("f") ? "" : "s"}`;
const leaves = (n) => `${count(n)} ${Number(n) === 1 ? "leaf" : "leaves"}`;
const size = (n) => {
  let unit = 0;
  let value = Number(n);
  while (value >= 999.5 && unit < 4) {
    value /= 1000;
    unit++;
  }
  return unit === 0
    ? plural(n, "byte")
    : `${value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ` +
        `${["", "kB", "MB", "GB", "TB"][unit]}`;
};
const last = (path) => String(path).split("/").pop();
const share = (part, whole) => (whole > 0 ? part / whole : 0);
const percent = (x) => `${(100 * x).toFixed(x < 0.0995 ? 1 : 0)} %`;
const amount = (x) =>
  Number.isInteger(x) || Math.abs(x) >= 1000
    ? count(Math.round(x))
    : String(Number(x.toPrecision(3)));
const time = (ns) =>
  ns < 1e3
    ? `${ns.toFixed(0)} ns`
    : ns < 1e6
      ? `${(ns / 1e3).toFixed(2)} µs`
      : `${(ns / 1e6).toFixed(2)} ms`;

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : visible(value));
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(visible(child)));
  }
  return node;
}
// Long names may break behind their marks, before they break anywhere.
const breaking = (text) =>
  String(text)
    .split(/(?<=[._/])/)
    .flatMap((part, i) => (i === 0 ? [part] : [document.createElement("wbr"), part]));
const el = (tag, attributes, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);
const say = (text) => {
  document.getElementById("status").textContent = visible(text);
};
const facts = (pairs) =>
  el(
    "dl",
    {class: "facts"},
    pairs
      .filter((p) => p && p[1] !== null && p[1] !== undefined && p[1] !== "")
      .map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])
  );

function card(id, title, ...children) {
  document.getElementById("tabs").append(el("li", {}, el("a", {href: `#${id}`}, title)));
  return el(
    "section",
    {class: "card", id, "aria-labelledby": `${id}-title`},
    el("h2", {id: `${id}-title`}, title),
    children
  );
}
function table(caption, heads, rows) {
  return el(
    "div",
    {class: "scroll", tabindex: 0, role: "region", "aria-label": `Table: ${caption}`},
    el(
      "table",
      {},
      el("caption", {class: "hidden"}, caption),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          heads.map((h) => el("th", {scope: "col"}, h))
        )
      ),
      el(
        "tbody",
        {},
        rows.map((row) =>
          el(
            "tr",
            {},
            row.map((cell, i) => (i === 0 ? el("th", {scope: "row"}, cell) : el("td", {}, cell)))
          )
        )
      )
    )
  );
}
function bar(part) {
  const inner = el("i");
  inner.style.width = `${Math.min(100, 100 * part)}%`;
  return el("span", {class: "bar", "aria-hidden": "true"}, inner);
}
