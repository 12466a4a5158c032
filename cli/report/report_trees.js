// SPDX-License-Identifier: Apache-2.0
// The card of the trees: each drawn and foldable, and the path of a row.
// ---- trees -------------------------------------------------------------------------------------
const state = {
  tree: null,
  at: 0,
  open: new Set(),
  focus: 0,
  row: null,
  way: null,
  found: new Set()
};
const single = data.input_dtype === "float32";
// A threshold may have names of categories behind it.
const number = (text) =>
  text === "inf"
    ? Infinity
    : text === "-inf"
      ? -Infinity
      : text === "nan"
        ? NaN
        : Number(text.split(" ")[0]);
const categories = (f) => (Object.hasOwn(data.categories, f) ? data.categories[f].names : null);
const valueText = (f, x) => {
  const names = categories(f);
  return Number.isNaN(x) ? "missing" : names && typeof names[x] === "string" ? names[x] : String(x);
};
const cast = (x) => (single ? Math.fround(x) : x);

function parents(tree) {
  if (!tree.up) {
    tree.up = new Array(tree.f.length).fill(-1);
    tree.level = new Array(tree.f.length).fill(0);
    tree.f.forEach((f, i) => {
      if (f >= 0)
        for (const child of [i + 1, tree.r[i]]) {
          tree.up[child] = i;
          tree.level[child] = tree.level[i] + 1;
        }
    });
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
const missingWord = (tree, i) =>
  tree.m[i] & 3 ? (tree.m[i] & 4 ? "missing or zero" : "missing") : "";
const missingYes = (tree, i) => (tree.m[i] & 3) === 1;

// Where a value goes: true, false, or null where the page does not hold the set.
function goesYes(tree, i, value) {
  const set = tree.s[i];
  const x = cast(value);
  const flags = tree.m[i];
  if (set === null) return null;
  if (Number.isNaN(x) || (flags & 4 && Math.abs(x) <= Math.fround(1e-35)))
    return flags & 3
      ? missingYes(tree, i)
      : Number.isNaN(x)
        ? 0 <= number(tree.t[i])
        : x <= number(tree.t[i]);
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

const clip = (text, most) => {
  const letters = [...text];
  return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : text;
};
// Of a test the name, since the threshold says more.
function clipTest(text, most) {
  const at = text.lastIndexOf(" ≤ ");
  const room = most - [...text.slice(at)].length;
  return at < 0 || room < 5 ? clip(text, most) : clip(text.slice(0, at), room) + text.slice(at);
}
const columns = (text) =>
  [...text].reduce((sum, c) => sum + (c.codePointAt(0) >= 0x1100 ? 2 : 1), 0);

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
    const box = {
      i,
      level,
      parent,
      isOpen,
      text,
      label: (tree.f[i] >= 0 ? clipTest : clip)(text, narrow ? 20 : 44)
    };
    box.width = columns(box.label) * 7.25 + (tree.f[i] >= 0 ? 40 : 24);
    boxes.push(box);
    if (isOpen && boxes.length + stack.length < DRAWN_MAX) {
      const here = boxes.length - 1;
      stack.push([tree.r[i], level + 1, here], [i + 1, level + 1, here]);
    } else {
      box.isOpen = false;
      box.y = line++;
    }
  }
  const sums = new Array(boxes.length).fill(0);
  for (let k = boxes.length - 1; k >= 0; k--) {
    if (boxes[k].isOpen) boxes[k].y = sums[k] / 2;
    if (boxes[k].parent >= 0) sums[boxes[k].parent] += boxes[k].y;
  }
  const widths = [];
  for (const box of boxes) widths[box.level] = Math.max(widths[box.level] || 0, box.width);
  const xs = [16];
  widths.forEach((w, level) => {
    xs[level + 1] = xs[level] + w + gap;
  });
  const high = tree.c.length ? 50 : 38;
  for (const box of boxes) {
    box.x = xs[box.level];
    box.y = 14 + box.y * high;
  }
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
function drawEdge(picture, words, tree, plan, box, isWay) {
  const from = plan.boxes[box.parent];
  const yes = from.i + 1 === box.i;
  const x0 = from.x + from.width;
  const turn = box.x - plan.gap / 2;
  picture.append(
    svg("path", {
      class: `edge${yes ? "" : " no"}${isWay ? " way" : ""}`,
      d:
        `M${x0} ${from.y + 14}` +
        `C${turn} ${from.y + 14} ${turn} ${box.y + 14} ${box.x} ${box.y + 14}`
    })
  );
  words.append(
    svg(
      "text",
      {class: "word", x: box.x - 8, y: box.y + (yes ? 9 : 26), "text-anchor": "end"},
      edgeWord(tree, from.i, yes)
    )
  );
}
function drawNode(tree, box, isWay) {
  const f = tree.f[box.i];
  const names = [
    "node",
    f === -1 ? "leaf" : f === -2 ? "cut" : box.isOpen ? "" : "folded",
    isWay ? "way" : "",
    state.found.has(box.i) ? "found" : ""
  ];
  const group = svg(
    "g",
    {
      class: names.filter(Boolean).join(" "),
      role: "treeitem",
      "aria-level": box.level + 1,
      "aria-expanded": f >= 0 ? String(box.isOpen) : null,
      "aria-selected": String(box.i === state.focus),
      "aria-label": describe(tree, box),
      tabindex: box.i === state.focus ? 0 : -1,
      "data-node": box.i,
      onclick: () => {
        state.focus = box.i;
        if (f >= 0) toggle(box.i);
        else drawTree();
        focusNode();
      }
    },
    svg("title", {}, describe(tree, box)),
    svg("rect", {x: box.x, y: box.y, width: box.width, height: 28, rx: f < 0 ? 14 : 7}),
    svg("text", {x: box.x + 12, y: box.y + 18}, box.label)
  );
  if (f >= 0) {
    const place = {x: box.x + box.width - 20, y: box.y + 18};
    group.append(svg("text", place, box.isOpen ? "−" : "+"));
  }
  if (tree.c.length)
    group.append(
      svg("text", {class: "size", x: box.x + 10, y: box.y + 39}, plural(tree.c[box.i], "row"))
    );
  return group;
}
function drawTree() {
  const tree = parents(state.tree);
  const plan = layout(tree);
  const way = new Set(state.way ? state.way.steps : []);
  if (!plan.boxes.some((b) => b.i === state.focus)) state.focus = 0;
  const picture = svg("svg", {
    width: Math.ceil(plan.width),
    height: Math.ceil(plan.height),
    role: "tree",
    "aria-label": `Tree ${tree.i}`,
    onkeydown: treeKey
  });
  const words = svg("g", {"aria-hidden": "true"});
  for (const box of plan.boxes) {
    if (box.parent < 0) continue;
    drawEdge(picture, words, tree, plan, box, way.has(box.i));
  }
  picture.append(words);
  for (const box of plan.boxes) {
    picture.append(drawNode(tree, box, way.has(box.i)));
  }
  ui.boxes = plan.boxes;
  ui.drawing.replaceChildren(picture);
  const box = plan.boxes.find((b) => b.i === state.focus);
  ui.nodeText.textContent = box.label === box.text ? "" : describe(tree, box);
}
function focusNode() {
  const node = ui.drawing.querySelector(`[data-node="${state.focus}"]`);
  if (node) {
    node.focus({preventScroll: true});
    bring(node);
  }
}
function bring(node) {
  const rect = node.getBBox();
  const view = ui.drawing;
  const right = rect.x + rect.width + 40 - view.clientWidth;
  if (rect.x < view.scrollLeft || rect.width + 40 > view.clientWidth)
    view.scrollLeft = Math.max(0, rect.x - 40);
  // No further than it takes: what leads there stays in view.
  else if (right - 40 > view.scrollLeft) view.scrollLeft = right;
  if (rect.y < view.scrollTop || rect.y + rect.height > view.scrollTop + view.clientHeight)
    view.scrollTop = Math.max(0, rect.y - view.clientHeight / 2);
}
function toggle(i) {
  if (state.open.has(i)) state.open.delete(i);
  else state.open.add(i);
  drawTree();
  say(state.open.has(i) ? "unfolded" : "folded");
}
function treeKey(event) {
  const tree = state.tree;
  const order = ui.boxes.map((b) => b.i);
  const here = order.indexOf(state.focus);
  let next = state.focus;
  switch (event.key) {
    case "ArrowDown":
      next = order[Math.min(here + 1, order.length - 1)];
      break;
    case "ArrowUp":
      next = order[Math.max(here - 1, 0)];
      break;
    case "Home":
      next = order[0];
      break;
    case "End":
      next = order[order.length - 1];
      break;
    case "ArrowRight":
      if (tree.f[next] >= 0) {
        if (state.open.has(next)) next += 1;
        else state.open.add(next);
      }
      break;
    case "ArrowLeft":
      if (tree.f[next] >= 0 && state.open.has(next)) state.open.delete(next);
      else if (tree.up[next] >= 0) next = tree.up[next];
      break;
    case "Enter":
    case " ":
      if (tree.f[next] >= 0) {
        if (state.open.has(next)) state.open.delete(next);
        else state.open.add(next);
      }
      break;
    default:
      return;
  }
  event.preventDefault();
  state.focus = next;
  drawTree();
  focusNode();
}
function openLevels(levels) {
  const tree = parents(state.tree);
  state.open = new Set(
    tree.f.map((f, i) => i).filter((i) => tree.f[i] >= 0 && tree.level[i] < levels)
  );
}
function showTree(place) {
  state.at = Math.max(0, Math.min(data.trees.length - 1, place));
  state.tree = parents(data.trees[state.at]);
  state.focus = 0;
  state.found = new Set();
  const tree = state.tree;
  const fits = [...Array(12).keys()]
    .map((d) => d + 1)
    .filter((d) => tree.level.filter((l) => l <= d).length <= 40);
  openLevels(fits.length ? fits[fits.length - 1] : 1);
  ui.number.value = tree.i;
  ui.back.disabled = state.at === 0;
  ui.next.disabled = state.at === data.trees.length - 1;
  const part =
    tree.f.length < tree.n
      ? ` Its upper levels are in this page, ${count(tree.f.length)} of ` +
        `${plural(tree.n, "node")}; espalier inspect --tree ${tree.i} takes it whole.`
      : "";
  ui.title.textContent =
    `Tree ${tree.i} of ${count(data.tree_count)}: ${plural(tree.n, "node")}, ` +
    `${leaves(tree.l)}, depth ${tree.d}, iteration ${tree.it}.${part}`;
  ui.drawing.scrollTo(0, 0);
  follow();
}
function search() {
  const wish = ui.search.value.trim().toLowerCase();
  const tree = parents(state.tree);
  state.found = new Set();
  if (wish) {
    tree.f.forEach((f, i) => {
      if (visible(nodeText(tree, i)).toLowerCase().includes(wish)) state.found.add(i);
    });
    for (const i of [...state.found].slice(0, 200))
      for (let up = tree.up[i]; up >= 0; up = tree.up[up]) state.open.add(up);
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
  const fields =
    clean.includes(",") || clean.includes(";") || clean.includes("\t")
      ? clean.split(/[,;\t]/)
      : clean.split(/\s+/);
  if (fields.length !== data.feature_count)
    throw new Error(
      `the model has ${plural(data.feature_count, "feature")}, and this row ` +
        `${plural(fields.length, "value")}`
    );
  return fields.map((field, i) => {
    const word = field.trim();
    if (word === "" || /^nan$/i.test(word)) return NaN;
    const names = categories(i);
    if (names) {
      if (names.includes(word)) return names.indexOf(word);
      throw new Error(
        `value ${i + 1} is none of the categories of ` +
          valueName(i) +
          (names.length < data.categories[i].count ? " that this page holds" : "") +
          ": " +
          `${word}`
      );
    }
    const x = /^[+-]?inf(inity)?$/i.test(word)
      ? word.startsWith("-")
        ? -Infinity
        : Infinity
      : Number(word);
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
  const items = steps
    .filter((i) => tree.f[i] >= 0 && i !== end)
    .map((i, k) => {
      const value = state.row.values[tree.f[i]];
      const yes = steps[k + 1] === i + 1;
      return el(
        "li",
        {},
        el("span", {class: "mono"}, nodeText(tree, i)),
        " · it is ",
        el("span", {class: "mono"}, valueText(tree.f[i], value)),
        ": ",
        el("b", {}, yes ? "yes" : "no")
      );
    });
  const known =
    state.row.place !== undefined && data.row_leaves[state.at]
      ? data.row_leaves[state.at][state.row.place]
      : undefined;
  const answer =
    tree.f[end] === -1
      ? `It ends at leaf${tree.x[end] >= 0 ? ` ${tree.x[end]}` : ""}: ${tree.t[end]}`
      : tree.f[end] === -2
        ? "It goes on below what this page holds of the " +
          `tree${known >= 0 ? `, and ends at leaf ${known}` : ""}.`
        : "The set that this node asks for is too long for this page.";
  ui.way.append(
    el("h3", {}, "The way of the row"),
    el("ol", {class: "steps"}, items),
    el("p", {class: "answer"}, answer)
  );
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
      const seen =
        values &&
        values.map((x) =>
          cast(x) === data.missing_number
            ? NaN
            : Math.abs(cast(x)) <= Math.fround(1e-35) && data.flush_tiny
              ? 0
              : cast(x)
        );
      state.row = seen ? {values: seen} : null;
    }
  } catch (problem) {
    state.row = null;
    ui.error.textContent = visible(problem.message);
  }
  follow();
}

function button(text, action, label) {
  return el(
    "button",
    {class: "button", type: "button", onclick: action, "aria-label": label || null},
    text
  );
}
function makeInputs() {
  return {
    title: el("p", {class: "note", id: "tree-title"}),
    drawing: el("div", {class: "drawing", role: "group", "aria-labelledby": "tree-title"}),
    number: el("input", {
      type: "number",
      min: 0,
      id: "tree-number",
      inputmode: "numeric",
      onchange: () => {
        const place = data.trees.findIndex((t) => t.i === Number(ui.number.value));
        if (place >= 0) showTree(place);
        else {
          say(`tree ${ui.number.value} is not in this page`);
          ui.number.value = state.tree.i;
        }
      }
    }),
    search: el("input", {
      type: "search",
      id: "node-search",
      autocomplete: "off",
      spellcheck: "false",
      oninput: search,
      onkeydown: (e) => {
        if (e.key === "Enter") nextFound();
      }
    }),
    // A node's own label says it all.
    nodeText: el("p", {class: "note mono", id: "node-text", "aria-hidden": "true"}),
    foundText: el("span", {class: "note", id: "found-text"}),
    way: el("div", {id: "way"}),
    error: el("p", {class: "error", role: "alert", id: "row-error"}),
    text: el("input", {
      type: "text",
      id: "row-text",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "5.1, 3.5, 1.4, 0.2",
      onkeydown: (e) => {
        if (e.key === "Enter") chooseRow();
      },
      oninput: () => {
        if (ui.rows) ui.rows.value = "";
      }
    })
  };
}
function rowChoice() {
  if (!data.rows || !data.rows.rows.length) return undefined;
  return el(
    "select",
    {id: "row-choice", onchange: chooseRow},
    el("option", {value: ""}, "a row of your own"),
    data.rows.rows.map((row, i) => el("option", {value: i}, `row ${i} of ${data.rows.file}`))
  );
}
function treeTools() {
  return el(
    "div",
    {class: "tools"},
    el("label", {for: "tree-number"}, "Tree", ui.number),
    ui.back,
    ui.next,
    button("Unfold all", () => {
      openLevels(Infinity);
      drawTree();
    }),
    button("Fold all", () => {
      state.open = new Set();
      state.focus = 0;
      drawTree();
    }),
    el("label", {class: "grow line", for: "node-search"}, "Search nodes and leaves", ui.search)
  );
}
function rowTools() {
  const prepared = data.shape.value_total > data.feature_count;
  const names = data.named ? "in the order of the model's features" : "in their order";
  const typed = !prepared && data.feature_count <= 100000;
  return [
    el(
      "div",
      {class: "tools"},
      ui.rows ? el("label", {for: "row-choice"}, "Row", ui.rows) : null,
      typed
        ? el(
            "label",
            {class: "grow", for: "row-text"},
            `Its ${plural(data.feature_count, "value")} ${names}, commas between; empty is ` +
              "missing",
            ui.text
          )
        : null,
      typed
        ? el(
            "button",
            {
              class: "button main",
              type: "button",
              id: "follow",
              onclick: () => {
                if (ui.rows) ui.rows.value = "";
                chooseRow();
              }
            },
            "Follow"
          )
        : null
    ),
    typed
      ? null
      : el(
          "p",
          {class: "note"},
          prepared
            ? [
                "This model prepares its rows, which this page does not compute: rows given " +
                  "with ",
                el("code", {class: "whole"}, "--rows"),
                " can be followed."
              ]
            : "This model has too many features to type a row."
        )
  ];
}
function trees() {
  ui = makeInputs();
  ui.rows = rowChoice();
  ui.back = button("←", () => showTree(state.at - 1), "Previous tree");
  ui.next = button("→", () => showTree(state.at + 1), "Next tree");
  main.append(
    card(
      "trees",
      "Trees",
      treeTools(),
      ui.title,
      ui.foundText,
      ui.drawing,
      ui.nodeText,
      el(
        "p",
        {class: "note keys"},
        "Up is yes. Click a node to fold or unfold it; with the keyboard: arrows to move, Enter " +
          "to fold, Home and End."
      ),
      el("h3", {id: "row-title"}, "Follow a row"),
      rowTools(),
      ui.error,
      ui.way
    )
  );
  addEventListener("resize", () => {
    const inside = ui.drawing.contains(document.activeElement);
    if (state.tree) drawTree();
    if (state.tree && inside) focusNode();
  });
  if (data.trees.length) showTree(0);
  else ui.title.textContent = "This page holds no tree.";
}

top();
provenance();
features();
shape();
trees();
file();
bench();
metadata();
limits();
document.documentElement.dataset.ready = "yes";
