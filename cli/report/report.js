// SPDX-License-Identifier: Apache-2.0
// The page of espalier inspect. Everything that comes from the model is text here, never markup:
// it enters the document through text nodes and attributes only, with characters that are invisible
// or change the direction of text written out.
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("content");
const SVG = "http://www.w3.org/2000/svg";
const DRAWN_MAX = 3000; // boxes at a time
const NARROW = 560; // a drawing this wide or less has short labels, so that children are in sight
const ROW_TEXT_MAX = 1e6;
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udfff]/g;

// ---- text and elements -------------------------------------------------------------------------
const visible = (text) => String(text).replace(HIDDEN, (c) =>
  [...Array(c.length).keys()].map((i) => "\\u" + c.charCodeAt(i).toString(16).padStart(4, "0")).join(""));
const count = (n) => Number(n).toLocaleString("en-US");
const plural = (n, word) => `${count(n)} ${word}${Number(n) === 1 ? "" : word.endsWith("f") ? "" : "s"}`;
const leaves = (n) => `${count(n)} ${Number(n) === 1 ? "leaf" : "leaves"}`;
const size = (n) => {
  let unit = 0;
  let value = Number(n);
  while (value >= 999.5 && unit < 4) { value /= 1000; unit++; }
  return unit === 0 ? plural(n, "byte") : `${value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ${["", "kB", "MB", "GB", "TB"][unit]}`;
};
const last = (path) => String(path).split("/").pop();
const share = (part, whole) => (whole > 0 ? part / whole : 0);
const percent = (x) => `${(100 * x).toFixed(x < 0.0995 ? 1 : 0)} %`;
const amount = (x) => Number.isInteger(x) || Math.abs(x) >= 1000 ? count(Math.round(x)) : String(Number(x.toPrecision(3)));
const time = (ns) => ns < 1e3 ? `${ns.toFixed(0)} ns` : ns < 1e6 ? `${(ns / 1e3).toFixed(2)} µs` : `${(ns / 1e6).toFixed(2)} ms`;

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
const breaking = (text) => String(text).split(/(?<=[._/])/).flatMap((part, i) => i === 0 ? [part] : [document.createElement("wbr"), part]);
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const say = (text) => { document.getElementById("status").textContent = visible(text); };
const facts = (pairs) => el("dl", {class: "facts"}, pairs.filter((p) => p && p[1] !== null && p[1] !== undefined && p[1] !== "")
  .map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

function card(id, title, ...children) {
  document.getElementById("tabs").append(el("li", {}, el("a", {href: `#${id}`}, title)));
  return el("section", {class: "card", id, "aria-labelledby": `${id}-title`}, el("h2", {id: `${id}-title`}, title), children);
}
function table(caption, heads, rows) {
  return el("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": `Table: ${caption}`}, el("table", {},
    el("caption", {class: "hidden"}, caption),
    el("thead", {}, el("tr", {}, heads.map((h) => el("th", {scope: "col"}, h)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, i) => i === 0 ? el("th", {scope: "row"}, cell) : el("td", {}, cell)))))));
}
function bar(part) {
  const inner = el("i");
  inner.style.width = `${Math.min(100, 100 * part)}%`;
  return el("span", {class: "bar", "aria-hidden": "true"}, inner);
}

// ---- what stands on top ------------------------------------------------------------------------
const meta = data.metadata !== null && typeof data.metadata === "object" ? data.metadata : {};
const trainer = meta.trainer || {};
const proof = data.proof || {};
const featureName = new Map(data.features.map((f) => [f.v, f.name]));
const valueName = (v) => featureName.has(v) ? featureName.get(v) : `value ${v}`;

function top() {
  document.title = `${visible(data.file)}: model report`;
  const name = document.getElementById("name");
  name.replaceChildren();
  fill(name, {}, breaking(data.file));
  const what = [trainer.class, [trainer.framework, trainer.version].filter(Boolean).join(" ")].filter(Boolean).join(", ");
  const lead = [what, meta.model_version ? `version ${meta.model_version}` : ""].filter(Boolean).join(" · ");
  fill(document.getElementById("lead"), {}, breaking(lead || "A model of decision trees"));
  const check = proof.check;
  const badges = [["good", "Verified: every byte and every stored answer"]];
  badges.push(proof.rows_compared > 0 ? ["good", `Proved on ${count(proof.rows_compared)} rows`] : ["warn", "No proof in the file"]);
  if (check) badges.push(check.differing === 0 ? ["good", `The trainer's answers, ${count(check.rows)} rows`] : ["warn", `${count(check.differing)} answers differ from the trainer's`]);
  badges.push(["", `Format ${data.format}`], ["", data.missing_allowed ? "Missing values allowed" : "Missing values refused"]);
  document.getElementById("badges").append(...badges.map(([kind, text]) => el("li", {class: kind}, text)));
  document.getElementById("made").textContent = `Made by espalier ${visible(data.tool)}. This page needs no network; it holds a copy of what was looked at.`;
  const figures = [["Trees", count(data.tree_count)], ["Nodes", count(data.node_count)], ["Leaves", count(data.shape.leaf_total)], ["Deepest", count(data.depth_max)],
    ["Features", count(data.feature_count)], ["File", size(data.bytes)], ["Visits a row, at most", count(data.visits_per_row)]];
  main.append(el("dl", {class: "figures"}, figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));
}

function provenance() {
  const check = proof.check;
  const source = meta.source && typeof meta.source === "object" ? meta.source : {};
  const flat = (object) => Object.entries(object).filter(([, v]) => v === null || typeof v !== "object").map(([k, v]) => [k, el("span", {class: "mono"}, v === null ? "none" : v)]);
  const classes = data.classes.map((c) => `${c.labels.slice(0, 12).join(", ")}${c.count > 12 ? `, … ${count(c.count)} in all` : ""}`).slice(0, 8);
  const outputs = Object.entries(data.outputs).map(([kind, o]) => `${kind} (${o.width === 1 ? "one number" : `${count(o.width)} numbers`}${kind === data.predict_output ? ", what predict gives" : ""})`);
  main.append(el("div", {class: "pair"},
    card("origin", "Where it comes from", facts([
      ["Trainer", trainer.class], ["Framework", [trainer.framework, trainer.version].filter(Boolean).join(" ")],
      ["Model version", meta.model_version], ["Digest", el("code", {}, data.digest)],
      ...flat(source).map(([k, v]) => [`Source ${k.replace(/_/g, " ")}`, v]),
      ["Converted by", meta.converter ? flat(meta.converter).map(([k, v], i) => [i ? ", " : "", `${k} `, v]) : null],
      ["Classes", classes.length ? classes.map((c, i) => el("div", {}, classes.length > 1 ? `${i}: ` : "", c)) : null],
      ["Outputs", outputs.map((o) => el("div", {}, o))]])),
    card("proof", "What was proved", el("p", {class: "note"}, "When it was converted, before the file got its name:"),
      facts([
        ["Rows", proof.rows_compared ? count(proof.rows_compared) : "none"],
        ["Values", proof.values_compared ? `${count(proof.values_compared)}, all bits equal to a plain evaluation of the source` : null],
        ["Leaves", proof.leaves_compared ? `${count(proof.leaves_compared)}, all equal` : null],
        ["Trainer's answers", check ? `${count(check.rows)} rows of ${check.output}: ${check.differing === 0 ? "all bits equal" : `${count(check.differing)} values differ, by ${count(check.ulp_max)} ulp at most`}` : "not compared"]]),
      el("p", {class: "note"}, "When this page was made: checksums, padding, every child, column and leaf, and the golden rows were checked. Digests name a file only together with a signature."))));
}

// ---- features ----------------------------------------------------------------------------------
const covers = {
  rows: "the rows of training that came there", weights: "the weights of the rows of training that came there, 1 each if none were given",
  hessians: "the second derivatives of the loss at the rows of training that came there"};
function features() {
  const list = data.features;
  const total = list.reduce((sum, f) => sum + f.splits, 0);
  const counted = data.rows !== null && data.rows.count > 0;
  const unit = data.cover_unit;
  const asked = list.reduce((sum, f) => sum + f.rows, 0);
  const covered = list.reduce((sum, f) => sum + f.cover, 0);
  const columns = [["name", "Feature"], ["splits", "Splits"], [null, "Share"], ["trees", "Trees"], unit ? ["cover", "Cover"] : null, counted ? ["rows", "Rows asked"] : unit ? null : ["reach", "Visits a row"], ["least", "Thresholds"]].filter(Boolean);
  let key = "splits";
  let rising = false;
  let all = false;
  const body = el("tbody");
  const find = el("input", {type: "search", id: "feature-search", autocomplete: "off", spellcheck: "false", oninput: () => draw()});
  const more = el("button", {class: "button", type: "button", onclick: () => { all = true; draw(); }});
  const heads = columns.map(([name, title]) => el("th", {scope: "col", class: name === "name" ? "left" : null}, name === null ? title
    : el("button", {type: "button", onclick: () => { rising = key === name ? !rising : name === "name"; key = name; draw(); }}, title)));
  function draw() {
    const wish = find.value.trim().toLowerCase();
    const by = (f) => key === "name" ? f.name.toLowerCase() : key === "least" ? Number(f.least) || 0 : f[key];
    const shown = list.filter((f) => visible(f.name).toLowerCase().includes(wish)).sort((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0) * (rising ? 1 : -1));
    const rows = all ? shown : shown.slice(0, 20);
    body.replaceChildren(...rows.map((f) => el("tr", {}, el("th", {scope: "row", class: "left name"}, f.name), el("td", {}, count(f.splits)),
      el("td", {}, bar(share(f.splits, list.length ? Math.max(...list.map((g) => g.splits)) : 1)), el("span", {class: "part"}, percent(share(f.splits, total)))), el("td", {}, count(f.trees)),
      unit ? el("td", {}, `${amount(f.cover)} (${percent(share(f.cover, covered))})`) : null,
      counted ? el("td", {}, `${count(f.rows)} (${percent(share(f.rows, asked))})`) : unit ? null : el("td", {}, f.reach.toPrecision(3)),
      el("td", {class: "mono"}, f.least === undefined ? "sets" : f.least === f.most ? f.least : `${f.least} to ${f.most}`))));
    columns.forEach(([name], i) => { if (name === key) heads[i].setAttribute("aria-sort", rising ? "ascending" : "descending"); else heads[i].removeAttribute("aria-sort"); });
    more.hidden = rows.length === shown.length;
    more.textContent = `Show all ${count(shown.length)}`;
    if (wish) say(`${plural(shown.length, "feature")} found`);
  }
  const unused = data.shape.value_total - data.shape.values_used;
  main.append(card("features", "Features",
    el("p", {class: "note"}, unit ? `Cover: ${covers[unit]}, over all nodes that ask for the feature, as the trainer counted.` : "",
      counted ? ` Rows asked: how often the ${count(data.rows.count)} rows of ${data.rows.file} met a node that asks for the feature.`
        : unit ? "" : "Visits a row: how many nodes ask for the feature on the way of a row that goes either way equally often. The file keeps no counts of the rows of training: give rows (--rows) to have some counted.",
      unused > 0 && data.shape.value_total === data.feature_count ? ` No tree asks for the other ${plural(unused, "feature")}.` : ""),
    el("div", {class: "tools"}, el("label", {class: "grow", for: "feature-search"}, "Search features", find)),
    el("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": "Table: Features"}, el("table", {}, el("caption", {class: "hidden"}, "Features by number of splits"), el("thead", {}, el("tr", {}, heads)), body)), more));
  draw();
}

// ---- shape -------------------------------------------------------------------------------------
function chart(title, counts, name) {
  const most = Math.max(...counts, 1);
  const wide = Math.max(counts.length, 6);
  const width = 400;
  const step = (width - 20) / wide;
  const every = Math.ceil(wide / 10);
  return [el("h3", {}, title), svg("svg", {class: "chart", viewBox: `0 0 ${width} 170`, role: "img", "aria-label": `${title}: ${counts.map((n, i) => n ? `${name(i)}: ${count(n)}` : "").filter(Boolean).slice(0, 60).join("; ")}`},
    svg("line", {x1: 10, x2: width - 10, y1: 146.5, y2: 146.5}),
    counts.map((n, i) => n === 0 ? null : svg("rect", {x: 10 + i * step + step * 0.08, width: step * 0.84, y: 146 - Math.max(2, 122 * n / most), height: Math.max(2, 122 * n / most), rx: Math.min(4, step / 5)}, svg("title", {}, `${name(i)}: ${count(n)}`))),
    counts.map((n, i) => i % every ? null : svg("text", {x: 10 + i * step + step / 2, y: 163, "text-anchor": "middle"}, name(i))),
    svg("text", {x: 10, y: 12}, `most: ${count(most)}`))];
}
function shape() {
  const s = data.shape;
  const plain = (list) => (i) => i === 255 && list.length === 256 ? "255+" : String(i);
  main.append(card("shape", "Depth and leaves", el("div", {class: "three"},
    el("div", {}, chart("Trees by depth", s.tree_depths, plain(s.tree_depths))),
    el("div", {}, chart("Leaves by depth", s.leaf_depths, plain(s.leaf_depths))),
    el("div", {}, chart("Trees by leaves, up to", s.tree_leaves, (i) => count(2 ** i))))));
}

// ---- trees -------------------------------------------------------------------------------------
const state = {tree: null, at: 0, open: new Set(), focus: 0, row: null, way: null, found: new Set()};
const single = data.input_dtype === "float32";
// A threshold may have names of categories behind it.
const number = (text) => text === "inf" ? Infinity : text === "-inf" ? -Infinity : text === "nan" ? NaN : Number(text.split(" ")[0]);
const categories = (f) => Object.hasOwn(data.categories, f) ? data.categories[f].names : null;
const valueText = (f, x) => {
  const names = categories(f);
  return Number.isNaN(x) ? "missing" : names && typeof names[x] === "string" ? names[x] : String(x);
};
const cast = (x) => single ? Math.fround(x) : x;

function parents(tree) {
  if (!tree.up) {
    tree.up = new Array(tree.f.length).fill(-1);
    tree.level = new Array(tree.f.length).fill(0);
    tree.f.forEach((f, i) => { if (f >= 0) for (const child of [i + 1, tree.r[i]]) { tree.up[child] = i; tree.level[child] = tree.level[i] + 1; } });
  }
  return tree;
}
function nodeText(tree, i) {
  const f = tree.f[i];
  if (f === -2) return `${plural(tree.x[i], "node")} below`;
  if (f === -1) return tree.t[i];
  const isSet = tree.s[i] !== undefined;
  return `${valueName(f)} ${isSet ? (tree.m[i] & 8 ? "not in" : "in") : "≤"} ${tree.t[i]}`;
}
const missingWord = (tree, i) => tree.m[i] & 3 ? (tree.m[i] & 4 ? "missing or zero" : "missing") : "";
const missingYes = (tree, i) => (tree.m[i] & 3) === 1;

// Where a value goes: true, false, or null where the page does not hold the set.
function goesYes(tree, i, value) {
  const set = tree.s[i];
  const x = cast(value);
  const flags = tree.m[i];
  if (set === null) return null;
  if (Number.isNaN(x) || ((flags & 4) && Math.abs(x) <= Math.fround(1e-35))) return flags & 3 ? missingYes(tree, i) : Number.isNaN(x) ? 0 <= number(tree.t[i]) : x <= number(tree.t[i]);
  if (set !== undefined) {
    const at = set[0].findIndex((cut) => x <= cast(number(cut)));
    return set[1][at < 0 ? set[0].length : at] === "1";
  }
  return x <= cast(number(tree.t[i]));
}
function wayOf(tree, row) {
  const steps = [];
  let at = 0;
  for (;;) {
    steps.push(at);
    if (tree.f[at] < 0) return {steps, end: at};
    const yes = goesYes(tree, at, row.values[tree.f[at]]);
    if (yes === null) return {steps, end: at};
    at = yes ? at + 1 : tree.r[at];
  }
}

const clip = (text, most) => { const letters = [...text]; return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : text; };
// Of a test the name, since the threshold says more.
function clipTest(text, most) {
  const at = text.lastIndexOf(" ≤ ");
  const room = most - [...text.slice(at)].length;
  return at < 0 || room < 5 ? clip(text, most) : clip(text.slice(0, at), room) + text.slice(at);
}
const columns = (text) => [...text].reduce((sum, c) => sum + (c.codePointAt(0) >= 0x1100 ? 2 : 1), 0);

function layout(tree) {
  const boxes = [];
  const narrow = ui.drawing.clientWidth <= NARROW;
  const gap = narrow ? 76 : 92;
  let line = 0;
  const stack = [[0, 0, -1]];
  while (stack.length) {
    const [i, level, parent] = stack.pop();
    const isOpen = tree.f[i] >= 0 && state.open.has(i);
    const text = visible(nodeText(tree, i));
    const box = {i, level, parent, isOpen, text, label: (tree.f[i] >= 0 ? clipTest : clip)(text, narrow ? 20 : 44)};
    box.width = columns(box.label) * 7.25 + (tree.f[i] >= 0 ? 40 : 24);
    boxes.push(box);
    if (isOpen && boxes.length + stack.length < DRAWN_MAX) {
      const here = boxes.length - 1;
      stack.push([tree.r[i], level + 1, here], [i + 1, level + 1, here]);
    } else { box.isOpen = false; box.y = line++; }
  }
  const sums = new Array(boxes.length).fill(0);
  for (let k = boxes.length - 1; k >= 0; k--) {
    if (boxes[k].isOpen) boxes[k].y = sums[k] / 2;
    if (boxes[k].parent >= 0) sums[boxes[k].parent] += boxes[k].y;
  }
  const widths = [];
  for (const box of boxes) widths[box.level] = Math.max(widths[box.level] || 0, box.width);
  const xs = [16];
  widths.forEach((w, level) => { xs[level + 1] = xs[level] + w + gap; });
  const high = tree.c.length ? 50 : 38;
  for (const box of boxes) { box.x = xs[box.level]; box.y = 14 + box.y * high; }
  return {boxes, gap, width: xs[widths.length] - gap + 16, height: 24 + line * high};
}

let ui = {};
function edgeWord(tree, parent, yes) {
  const missing = missingWord(tree, parent);
  return (yes ? "yes" : "no") + (missing && missingYes(tree, parent) === yes ? `, ${missing}` : "");
}
function describe(tree, box) {
  const i = box.i;
  const kind = tree.f[i] === -1 ? `leaf${tree.x[i] >= 0 ? ` ${tree.x[i]}` : ""}: ` : "";
  const up = parents(tree).up[i];
  const from = up < 0 ? "" : `${edgeWord(tree, up, up + 1 === i)}: `;
  return from + kind + nodeText(tree, i) + (tree.c.length ? `, ${plural(tree.c[i], "row")}` : "");
}
function drawTree() {
  const tree = parents(state.tree);
  const plan = layout(tree);
  const way = new Set(state.way ? state.way.steps : []);
  if (!plan.boxes.some((b) => b.i === state.focus)) state.focus = 0;
  const picture = svg("svg", {width: Math.ceil(plan.width), height: Math.ceil(plan.height), role: "tree", "aria-label": `Tree ${tree.i}`, onkeydown: treeKey});
  const words = svg("g", {"aria-hidden": "true"});
  for (const box of plan.boxes) {
    if (box.parent < 0) continue;
    const from = plan.boxes[box.parent];
    const yes = from.i + 1 === box.i;
    const x0 = from.x + from.width;
    const turn = box.x - plan.gap / 2;
    picture.append(svg("path", {class: `edge${yes ? "" : " no"}${way.has(box.i) ? " way" : ""}`, d: `M${x0} ${from.y + 14}C${turn} ${from.y + 14} ${turn} ${box.y + 14} ${box.x} ${box.y + 14}`}));
    words.append(svg("text", {class: "word", x: box.x - 8, y: box.y + (yes ? 9 : 26), "text-anchor": "end"}, edgeWord(tree, from.i, yes)));
  }
  picture.append(words);
  for (const box of plan.boxes) {
    const f = tree.f[box.i];
    const names = ["node", f === -1 ? "leaf" : f === -2 ? "cut" : box.isOpen ? "" : "folded", way.has(box.i) ? "way" : "", state.found.has(box.i) ? "found" : ""];
    const group = svg("g", {class: names.filter(Boolean).join(" "), role: "treeitem", "aria-level": box.level + 1, "aria-expanded": f >= 0 ? String(box.isOpen) : null, "aria-selected": String(box.i === state.focus),
      "aria-label": describe(tree, box), tabindex: box.i === state.focus ? 0 : -1, "data-node": box.i, onclick: () => { state.focus = box.i; if (f >= 0) toggle(box.i); else drawTree(); focusNode(); }},
      svg("title", {}, describe(tree, box)), svg("rect", {x: box.x, y: box.y, width: box.width, height: 28, rx: f < 0 ? 14 : 7}),
      svg("text", {x: box.x + 12, y: box.y + 18}, box.label));
    if (f >= 0) group.append(svg("text", {x: box.x + box.width - 20, y: box.y + 18}, box.isOpen ? "−" : "+"));
    if (tree.c.length) group.append(svg("text", {class: "size", x: box.x + 10, y: box.y + 39}, plural(tree.c[box.i], "row")));
    picture.append(group);
  }
  ui.boxes = plan.boxes;
  ui.drawing.replaceChildren(picture);
  const box = plan.boxes.find((b) => b.i === state.focus);
  ui.nodeText.textContent = box.label === box.text ? "" : describe(tree, box);
}
function focusNode() {
  const node = ui.drawing.querySelector(`[data-node="${state.focus}"]`);
  if (node) { node.focus({preventScroll: true}); bring(node); }
}
function bring(node) {
  const rect = node.getBBox();
  const view = ui.drawing;
  const right = rect.x + rect.width + 40 - view.clientWidth;
  if (rect.x < view.scrollLeft || rect.width + 40 > view.clientWidth) view.scrollLeft = Math.max(0, rect.x - 40);
  else if (right - 40 > view.scrollLeft) view.scrollLeft = right; // no further than it takes: what leads there stays in view
  if (rect.y < view.scrollTop || rect.y + rect.height > view.scrollTop + view.clientHeight) view.scrollTop = Math.max(0, rect.y - view.clientHeight / 2);
}
function toggle(i) {
  if (state.open.has(i)) state.open.delete(i); else state.open.add(i);
  drawTree();
  say(state.open.has(i) ? "unfolded" : "folded");
}
function treeKey(event) {
  const tree = state.tree;
  const order = ui.boxes.map((b) => b.i);
  const here = order.indexOf(state.focus);
  let next = state.focus;
  switch (event.key) {
  case "ArrowDown": next = order[Math.min(here + 1, order.length - 1)]; break;
  case "ArrowUp": next = order[Math.max(here - 1, 0)]; break;
  case "Home": next = order[0]; break;
  case "End": next = order[order.length - 1]; break;
  case "ArrowRight": if (tree.f[next] >= 0) { if (state.open.has(next)) next += 1; else state.open.add(next); } break;
  case "ArrowLeft": if (tree.f[next] >= 0 && state.open.has(next)) state.open.delete(next); else if (tree.up[next] >= 0) next = tree.up[next]; break;
  case "Enter": case " ": if (tree.f[next] >= 0) { if (state.open.has(next)) state.open.delete(next); else state.open.add(next); } break;
  default: return;
  }
  event.preventDefault();
  state.focus = next;
  drawTree();
  focusNode();
}
function openLevels(levels) {
  const tree = parents(state.tree);
  state.open = new Set(tree.f.map((f, i) => i).filter((i) => tree.f[i] >= 0 && tree.level[i] < levels));
}
function showTree(place) {
  state.at = Math.max(0, Math.min(data.trees.length - 1, place));
  state.tree = parents(data.trees[state.at]);
  state.focus = 0;
  state.found = new Set();
  const tree = state.tree;
  const fits = [...Array(12).keys()].map((d) => d + 1).filter((d) => tree.level.filter((l) => l <= d).length <= 40);
  openLevels(fits.length ? fits[fits.length - 1] : 1);
  ui.number.value = tree.i;
  ui.back.disabled = state.at === 0;
  ui.next.disabled = state.at === data.trees.length - 1;
  const part = tree.f.length < tree.n ? ` Its upper levels are in this page, ${count(tree.f.length)} of ${plural(tree.n, "node")}; espalier inspect --tree ${tree.i} takes it whole.` : "";
  ui.title.textContent = `Tree ${tree.i} of ${count(data.tree_count)}: ${plural(tree.n, "node")}, ${leaves(tree.l)}, depth ${tree.d}, iteration ${tree.it}.${part}`;
  ui.drawing.scrollTo(0, 0);
  follow();
}
function search() {
  const wish = ui.search.value.trim().toLowerCase();
  const tree = parents(state.tree);
  state.found = new Set();
  if (wish) {
    tree.f.forEach((f, i) => { if (visible(nodeText(tree, i)).toLowerCase().includes(wish)) state.found.add(i); });
    for (const i of [...state.found].slice(0, 200)) for (let up = tree.up[i]; up >= 0; up = tree.up[up]) state.open.add(up);
  }
  if (state.found.size) state.focus = [...state.found][0];
  drawTree();
  ui.foundText.textContent = wish ? `${plural(state.found.size, "node")} found` : "";
  const node = ui.drawing.querySelector(`[data-node="${state.focus}"]`);
  if (node) bring(node);
}
function nextFound() {
  const list = [...state.found];
  if (!list.length) return;
  state.focus = list[(list.indexOf(state.focus) + 1) % list.length];
  drawTree();
  focusNode();
}

// ---- a row -------------------------------------------------------------------------------------
function parseRow(text) {
  const clean = text.trim();
  if (!clean) return null;
  if (clean.length > ROW_TEXT_MAX) throw new Error("that is too long for a row");
  const fields = clean.includes(",") || clean.includes(";") || clean.includes("\t") ? clean.split(/[,;\t]/) : clean.split(/\s+/);
  if (fields.length !== data.feature_count) throw new Error(`the model has ${plural(data.feature_count, "feature")}, and this row ${plural(fields.length, "value")}`);
  return fields.map((field, i) => {
    const word = field.trim();
    if (word === "" || /^nan$/i.test(word)) return NaN;
    const names = categories(i);
    if (names) {
      if (names.includes(word)) return names.indexOf(word);
      throw new Error(`value ${i + 1} is none of the categories of ${valueName(i)}${names.length < data.categories[i].count ? " that this page holds" : ""}: ${word}`);
    }
    const x = /^[+-]?inf(inity)?$/i.test(word) ? (word.startsWith("-") ? -Infinity : Infinity) : Number(word);
    if (Number.isNaN(x)) throw new Error(`value ${i + 1} is not a number: ${word}`);
    return x;
  });
}
function follow() {
  const tree = state.tree;
  state.way = state.row ? wayOf(tree, state.row) : null;
  if (state.way) for (const i of state.way.steps) if (tree.f[i] >= 0) state.open.add(i);
  drawTree();
  ui.way.replaceChildren();
  if (!state.way) return;
  const {steps, end} = state.way;
  const items = steps.filter((i) => tree.f[i] >= 0 && (i !== end)).map((i, k) => {
    const value = state.row.values[tree.f[i]];
    const yes = steps[k + 1] === i + 1;
    return el("li", {}, el("span", {class: "mono"}, nodeText(tree, i)), " · it is ", el("span", {class: "mono"}, valueText(tree.f[i], value)), ": ", el("b", {}, yes ? "yes" : "no"));
  });
  const known = state.row.place !== undefined && data.row_leaves[state.at] ? data.row_leaves[state.at][state.row.place] : undefined;
  const answer = tree.f[end] === -1 ? `It ends at leaf${tree.x[end] >= 0 ? ` ${tree.x[end]}` : ""}: ${tree.t[end]}`
    : tree.f[end] === -2 ? `It goes on below what this page holds of the tree${known >= 0 ? `, and ends at leaf ${known}` : ""}.` : "The set that this node asks for is too long for this page.";
  ui.way.append(el("h3", {}, "The way of the row"), el("ol", {class: "steps"}, items), el("p", {class: "answer"}, answer));
  const last = ui.drawing.querySelector(`[data-node="${end}"]`);
  if (last) bring(last);
  say(answer);
}
function chooseRow() {
  ui.error.textContent = "";
  const choice = ui.rows ? ui.rows.value : "";
  try {
    if (choice !== "") {
      const row = data.rows.rows[Number(choice)];
      state.row = {place: Number(choice), values: row.values.map(number)};
      ui.text.value = "";
    } else {
      const values = parseRow(ui.text.value);
      const seen = values && values.map((x) => cast(x) === data.missing_number ? NaN : Math.abs(cast(x)) <= Math.fround(1e-35) && data.flush_tiny ? 0 : cast(x));
      state.row = seen ? {values: seen} : null;
    }
  } catch (problem) {
    state.row = null;
    ui.error.textContent = visible(problem.message);
  }
  follow();
}

function trees() {
  const button = (text, action, label) => el("button", {class: "button", type: "button", onclick: action, "aria-label": label || null}, text);
  ui = {
    title: el("p", {class: "note", id: "tree-title"}), drawing: el("div", {class: "drawing", role: "group", "aria-labelledby": "tree-title"}),
    number: el("input", {type: "number", min: 0, id: "tree-number", inputmode: "numeric", onchange: () => {
      const place = data.trees.findIndex((t) => t.i === Number(ui.number.value));
      if (place >= 0) showTree(place); else { say(`tree ${ui.number.value} is not in this page`); ui.number.value = state.tree.i; }
    }}),
    search: el("input", {type: "search", id: "node-search", autocomplete: "off", spellcheck: "false", oninput: search, onkeydown: (e) => { if (e.key === "Enter") nextFound(); }}),
    nodeText: el("p", {class: "note mono", id: "node-text", "aria-hidden": "true"}), // a node's own label says it all
    foundText: el("span", {class: "note", id: "found-text"}), way: el("div", {id: "way"}), error: el("p", {class: "error", role: "alert", id: "row-error"}),
    text: el("input", {type: "text", id: "row-text", autocomplete: "off", spellcheck: "false", placeholder: "5.1, 3.5, 1.4, 0.2", onkeydown: (e) => { if (e.key === "Enter") chooseRow(); }, oninput: () => { if (ui.rows) ui.rows.value = ""; }}),
  };
  ui.back = button("←", () => showTree(state.at - 1), "Previous tree");
  ui.next = button("→", () => showTree(state.at + 1), "Next tree");
  const prepared = data.shape.value_total > data.feature_count;
  if (data.rows && data.rows.rows.length) {
    ui.rows = el("select", {id: "row-choice", onchange: chooseRow}, el("option", {value: ""}, "a row of your own"), data.rows.rows.map((row, i) => el("option", {value: i}, `row ${i} of ${data.rows.file}`)));
  }
  const names = data.named ? "in the order of the model's features" : "in their order";
  const typed = !prepared && data.feature_count <= 100000;
  main.append(card("trees", "Trees",
    el("div", {class: "tools"}, el("label", {for: "tree-number"}, "Tree", ui.number), ui.back, ui.next,
      button("Unfold all", () => { openLevels(Infinity); drawTree(); }), button("Fold all", () => { state.open = new Set(); state.focus = 0; drawTree(); }),
      el("label", {class: "grow line", for: "node-search"}, "Search nodes and leaves", ui.search)),
    ui.title, ui.foundText, ui.drawing, ui.nodeText,
    el("p", {class: "note keys"}, "Up is yes. Click a node to fold or unfold it; with the keyboard: arrows to move, Enter to fold, Home and End."),
    el("h3", {id: "row-title"}, "Follow a row"),
    el("div", {class: "tools"}, ui.rows ? el("label", {for: "row-choice"}, "Row", ui.rows) : null,
      typed ? el("label", {class: "grow", for: "row-text"}, `Its ${plural(data.feature_count, "value")} ${names}, commas between; empty is missing`, ui.text) : null,
      typed ? el("button", {class: "button main", type: "button", id: "follow", onclick: () => { if (ui.rows) ui.rows.value = ""; chooseRow(); }}, "Follow") : null),
    typed ? null : el("p", {class: "note"}, prepared ? ["This model prepares its rows, which this page does not compute: rows given with ", el("code", {class: "whole"}, "--rows"), " can be followed."] : "This model has too many features to type a row."),
    ui.error, ui.way));
  addEventListener("resize", () => {
    const inside = ui.drawing.contains(document.activeElement);
    if (state.tree) drawTree();
    if (state.tree && inside) focusNode();
  });
  if (data.trees.length) showTree(0); else ui.title.textContent = "This page holds no tree.";
}

// ---- file, benchmark, metadata, limits ---------------------------------------------------------
function file() {
  const end = Math.max(data.bytes, 1);
  const map = data.map;
  const parts = svg("svg", {class: "strip", viewBox: "0 0 1000 44", preserveAspectRatio: "none", role: "img", "aria-label": "Sections of the file in their order, as wide as they are long"},
    svg("rect", {class: "cold", x: 0, y: 0, width: 1000, height: 44}),
    data.sections.map((s, i) => svg("rect", {class: `c${i % 8}`, x: 1000 * s.offset / end, y: 0, width: Math.max(1.5, 1000 * s.bytes / end), height: 44}, svg("title", {}, `${s.name}: ${size(s.bytes)}`))));
  const buckets = map.buckets || [];
  const pages = buckets.length ? [el("h3", {}, "Pages in memory"),
    el("p", {class: "note"}, `${count(map.resident)} of ${plural(map.pages, "page")} of ${count(map.page_bytes)} bytes were in the page cache before this page was made.`),
    svg("svg", {class: "strip", viewBox: "0 0 1000 44", preserveAspectRatio: "none", role: "img", "aria-label": `${percent(share(map.resident, map.pages))} of the file's pages in memory`},
      svg("rect", {class: "cold", x: 0, y: 0, width: 1000, height: 44}),
      buckets.map((b, i) => svg("rect", {class: "warm", x: 1000 * i / buckets.length, y: 44 - 0.44 * b, width: 1000 / buckets.length + 0.3, height: 0.44 * b})))] : [el("p", {class: "note"}, "This system does not say which pages are in memory.")];
  const square = (i) => svg("svg", {class: "dot", viewBox: "0 0 10 10", "aria-hidden": "true"}, svg("rect", {class: `c${i % 8}`, width: 10, height: 10, rx: 3}));
  main.append(card("file", "Layout and file",
    el("h3", {}, "Parts"), table("Parts", ["Part", "Layout", "Trees", "Deepest", "Node", "Codes", "Sums", "Leaf values"], data.parts.map((p, i) => [i, p.layout, count(p.tree_count), p.depth_max, plural(p.node_bytes, "byte"), p.code_bytes === 4 ? "float32" : plural(p.code_bytes, "byte"), p.sum_dtype, `${count(p.leaf_count)} × ${p.leaf_width}`])),
    data.part_count > data.parts.length ? el("p", {class: "note"}, `${plural(data.part_count - data.parts.length, "part")} more.`) : null,
    meta.layout && meta.layout.why ? el("p", {class: "note"}, `Why: ${meta.layout.why}`) : null,
    el("h3", {}, "Sections"), parts,
    table("Sections", ["Section", "Offset", "Bytes", "Share", "Pages in memory"], data.sections.map((s, i) => [[square(i), s.name], count(s.offset), count(s.bytes), percent(share(s.bytes, end)), s.resident === null ? "–" : `${count(s.resident)} of ${count(s.pages)}`])), pages));
}
function bench() {
  const b = data.bench;
  if (b === null) return;
  if (typeof b !== "object") { main.append(card("bench", "Benchmark", el("p", {}, b))); return; }
  const ns = (x) => typeof x === "number" ? time(x) : "–";
  main.append(card("bench", "Benchmark",
    el("p", {class: "note"}, `${b.cpu || "this machine"}; ${plural(b.thread_count || 1, "thread")}; ${b.output || ""} of ${count(b.row_count || 0)} rows ${b.rows ? `of ${last(b.rows)}` : "made from the model's thresholds"}; file ${last(b.file || "?")}.`),
    table("Benchmark by level", ["Level", "One row, median", "99 %", "99.9 %", "Row of a batch", "All threads", "Bits"], b.kernels.slice(0, 64).map((k) => { const one = k.one_row || {}; return [`${k.level}${k.is_default ? " (used)" : ""}`, ns(one.p50_ns), ns(one.p99_ns), ns(one.p999_ns), ns(k.batch_ns_per_row), ns(k.threads_ns_per_row), k.bits_equal ? "equal" : "differ"]; }))));
}
function jsonView(key, value, depth) {
  const name = key === null ? "" : `${key}: `;
  if (value !== null && typeof value === "object" && depth < 40) {
    const entries = Array.isArray(value) ? value.map((v, i) => [i, v]) : Object.entries(value);
    return el("details", {open: depth < 2 ? true : null}, el("summary", {}, el("span", {class: "key"}, name), Array.isArray(value) ? plural(entries.length, "item") : plural(entries.length, "field")),
      el("div", {}, entries.slice(0, 500).map(([k, v]) => jsonView(k, v, depth + 1)), entries.length > 500 ? el("p", {}, `… ${count(entries.length - 500)} more`) : null));
  }
  return el("p", {}, el("span", {class: "key"}, name), el("span", {class: "mono"}, value === null ? "null" : typeof value === "object" ? JSON.stringify(value) : value));
}
function metadata() {
  main.append(card("metadata", "Metadata", data.metadata === null ? el("p", {}, "The file holds no JSON metadata.") : el("div", {class: "json"}, jsonView(null, data.metadata, 0))));
}
function limits() {
  const l = data.left_out;
  const parts = [];
  if (l.trees > 0) parts.push(`${plural(l.trees, "tree")} of ${count(data.tree_count)}`);
  if (l.trees_cut > 0) parts.push(`the lower levels of ${plural(l.trees_cut, "tree")}`);
  if (l.nodes > 0) parts.push(`${plural(l.nodes, "node")} in all (${count(l.nodes_shown)} are here)`);
  if (l.features > 0) parts.push(`${plural(l.features, "feature")} with the fewest splits`);
  if (data.rows && data.rows.is_cut) parts.push(`rows behind the first ${count(data.rows.count)}`);
  main.append(card("limits", "What is left out", el("p", {}, parts.length ? `To stay small this page leaves out: ${parts.join("; ")}. Counts and distributions are of the whole model.` : "Nothing: every tree and every feature that trees ask for is in this page."),
    parts.length ? el("p", {class: "note"}, "--tree N takes tree N whole, --nodes N allows more nodes in all.") : null));
}

top(); provenance(); features(); shape(); trees(); file(); bench(); metadata(); limits();
document.documentElement.dataset.ready = "yes";
})();
