// SPDX-License-Identifier: Apache-2.0
// The cards of the report but those of the trees: what stands on top, features, shape, file,
// benchmark, metadata, and what is left out.
// ---- what stands on top ------------------------------------------------------------------------
const meta = data.metadata !== null && typeof data.metadata === "object" ? data.metadata : {};
const trainer = meta.trainer || {};
const proof = data.proof || {};
const featureName = new Map(data.features.map((f) => [f.v, f.name]));
const valueName = (v) => (featureName.has(v) ? featureName.get(v) : `value ${v}`);

function top() {
  document.title = `${visible(data.file)}: model report`;
  const name = document.getElementById("name");
  name.replaceChildren();
  fill(name, {}, breaking(data.file));
  const what = [trainer.class, [trainer.framework, trainer.version].filter(Boolean).join(" ")]
    .filter(Boolean)
    .join(", ");
  const lead = [what, meta.model_version ? `version ${meta.model_version}` : ""]
    .filter(Boolean)
    .join(" · ");
  fill(document.getElementById("lead"), {}, breaking(lead || "A model of decision trees"));
  const check = proof.check;
  const badges = [["good", "Verified: every byte and every stored answer"]];
  badges.push(
    proof.rows_compared > 0
      ? ["good", `Proved on ${count(proof.rows_compared)} rows`]
      : ["warn", "No proof in the file"]
  );
  if (check)
    badges.push(
      check.differing === 0
        ? ["good", `The trainer's answers, ${count(check.rows)} rows`]
        : ["warn", `${count(check.differing)} answers differ from the trainer's`]
    );
  badges.push(
    ["", `Format ${data.format}`],
    ["", data.missing_allowed ? "Missing values allowed" : "Missing values refused"]
  );
  document
    .getElementById("badges")
    .append(...badges.map(([kind, text]) => el("li", {class: kind}, text)));
  document.getElementById("made").textContent =
    `Made by espalier ${visible(data.tool)}. This page needs no network; it holds a copy of what ` +
    "was looked at.";
  const figures = [
    ["Trees", count(data.tree_count)],
    ["Nodes", count(data.node_count)],
    ["Leaves", count(data.shape.leaf_total)],
    ["Deepest", count(data.depth_max)],
    ["Features", count(data.feature_count)],
    ["File", size(data.bytes)],
    ["Visits a row, at most", count(data.visits_per_row)]
  ];
  main.append(
    el(
      "dl",
      {class: "figures"},
      figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))
    )
  );
}

function originCard() {
  const source = meta.source && typeof meta.source === "object" ? meta.source : {};
  const flat = (object) =>
    Object.entries(object)
      .filter(([, v]) => v === null || typeof v !== "object")
      .map(([k, v]) => [k, el("span", {class: "mono"}, v === null ? "none" : v)]);
  const classes = data.classes
    .map(
      (c) =>
        `${c.labels.slice(0, 12).join(", ")}${c.count > 12 ? `, … ${count(c.count)} in all` : ""}`
    )
    .slice(0, 8);
  const outputs = Object.entries(data.outputs).map(
    ([kind, o]) =>
      `${kind} ` +
      `(${o.width === 1 ? "one number" : `${count(o.width)} numbers`}` +
      `${kind === data.predict_output ? ", what predict gives" : ""})`
  );
  return card(
    "origin",
    "Where it comes from",
    facts([
      ["Trainer", trainer.class],
      ["Framework", [trainer.framework, trainer.version].filter(Boolean).join(" ")],
      ["Model version", meta.model_version],
      ["Digest", el("code", {}, data.digest)],
      ...flat(source).map(([k, v]) => [`Source ${k.replace(/_/g, " ")}`, v]),
      [
        "Converted by",
        meta.converter ? flat(meta.converter).map(([k, v], i) => [i ? ", " : "", `${k} `, v]) : null
      ],
      [
        "Classes",
        classes.length
          ? classes.map((c, i) => el("div", {}, classes.length > 1 ? `${i}: ` : "", c))
          : null
      ],
      ["Outputs", outputs.map((o) => el("div", {}, o))]
    ])
  );
}
function proofCard() {
  const check = proof.check;
  return card(
    "proof",
    "What was proved",
    el("p", {class: "note"}, "When it was converted, before the file got its name:"),
    facts([
      ["Rows", proof.rows_compared ? count(proof.rows_compared) : "none"],
      [
        "Values",
        proof.values_compared
          ? `${count(proof.values_compared)}, all bits equal to a plain evaluation of the ` +
            "source"
          : null
      ],
      ["Leaves", proof.leaves_compared ? `${count(proof.leaves_compared)}, all equal` : null],
      [
        "Trainer's answers",
        check
          ? `${count(check.rows)} rows of ${check.output}: ` +
            (check.differing === 0
              ? "all bits equal"
              : `${count(check.differing)} values differ, ` +
                `by ${count(check.ulp_max)} ulp at most`)
          : "not compared"
      ]
    ]),
    el(
      "p",
      {class: "note"},
      "When this page was made: checksums, padding, every child, column and leaf, and the " +
        "golden rows were checked. Digests name a file only together with a signature."
    )
  );
}
function provenance() {
  main.append(el("div", {class: "pair"}, originCard(), proofCard()));
}

// ---- features ----------------------------------------------------------------------------------
const covers = {
  rows: "the rows of training that came there",
  weights: "the weights of the rows of training that came there, 1 each if none were given",
  hessians: "the second derivatives of the loss at the rows of training that came there"
};
const hasRows = data.rows !== null && data.rows.count > 0;
const unit = data.cover_unit;
const featureColumns = [
  ["name", "Feature"],
  ["splits", "Splits"],
  [null, "Share"],
  ["trees", "Trees"],
  unit ? ["cover", "Cover"] : null,
  hasRows ? ["rows", "Rows asked"] : unit ? null : ["reach", "Visits a row"],
  ["least", "Thresholds"]
].filter(Boolean);
function featureHead(name, title, sort) {
  return el(
    "th",
    {scope: "col", class: name === "name" ? "left" : null},
    name === null
      ? title
      : el(
          "button",
          {
            type: "button",
            onclick: () => sort(name)
          },
          title
        )
  );
}
function featureRow(f, sums) {
  return el(
    "tr",
    {},
    el("th", {scope: "row", class: "left name"}, f.name),
    el("td", {}, count(f.splits)),
    el(
      "td",
      {},
      bar(share(f.splits, sums.most)),
      el("span", {class: "part"}, percent(share(f.splits, sums.splits)))
    ),
    el("td", {}, count(f.trees)),
    unit ? el("td", {}, `${amount(f.cover)} (${percent(share(f.cover, sums.cover))})`) : null,
    hasRows
      ? el("td", {}, `${count(f.rows)} (${percent(share(f.rows, sums.rows))})`)
      : unit
        ? null
        : el("td", {}, f.reach.toPrecision(3)),
    el(
      "td",
      {class: "mono"},
      f.least === undefined ? "sets" : f.least === f.most ? f.least : `${f.least} to ${f.most}`
    )
  );
}
function featureNote() {
  const unused = data.shape.value_total - data.shape.values_used;
  return [
    unit
      ? `Cover: ${covers[unit]}, over all nodes that ask for the feature, as the trainer ` +
        "counted."
      : "",
    hasRows
      ? ` Rows asked: how often the ${count(data.rows.count)} rows of ${data.rows.file} met ` +
        "a node that asks for the feature."
      : unit
        ? ""
        : "Visits a row: how many nodes ask for the feature on the way of a row that goes " +
          "either way equally often. The file keeps no counts of the rows of training: give " +
          "rows (--rows) to have some counted.",
    unused > 0 && data.shape.value_total === data.feature_count
      ? ` No tree asks for the other ${plural(unused, "feature")}.`
      : ""
  ];
}
function featureTable(heads, body) {
  return el(
    "div",
    {class: "scroll", tabindex: 0, role: "region", "aria-label": "Table: Features"},
    el(
      "table",
      {},
      el("caption", {class: "hidden"}, "Features by number of splits"),
      el("thead", {}, el("tr", {}, heads)),
      body
    )
  );
}
function features() {
  const list = data.features;
  const sum = (name) => list.reduce((all, f) => all + f[name], 0);
  const sums = {
    splits: sum("splits"),
    rows: sum("rows"),
    cover: sum("cover"),
    most: Math.max(...list.map((f) => f.splits))
  };
  let key = "splits";
  let rising = false;
  let all = false;
  const body = el("tbody");
  const find = el("input", {
    type: "search",
    id: "feature-search",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => draw()
  });
  const more = el("button", {
    class: "button",
    type: "button",
    onclick: () => {
      all = true;
      draw();
    }
  });
  const sort = (name) => {
    rising = key === name ? !rising : name === "name";
    key = name;
    draw();
  };
  const heads = featureColumns.map(([name, title]) => featureHead(name, title, sort));
  function draw() {
    const wish = find.value.trim().toLowerCase();
    const by = (f) =>
      key === "name" ? f.name.toLowerCase() : key === "least" ? Number(f.least) || 0 : f[key];
    const shown = list
      .filter((f) => visible(f.name).toLowerCase().includes(wish))
      .sort((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0) * (rising ? 1 : -1));
    const rows = all ? shown : shown.slice(0, 20);
    body.replaceChildren(...rows.map((f) => featureRow(f, sums)));
    featureColumns.forEach(([name], i) => {
      if (name === key) heads[i].setAttribute("aria-sort", rising ? "ascending" : "descending");
      else heads[i].removeAttribute("aria-sort");
    });
    more.hidden = rows.length === shown.length;
    more.textContent = `Show all ${count(shown.length)}`;
    if (wish) say(`${plural(shown.length, "feature")} found`);
  }
  main.append(
    card(
      "features",
      "Features",
      el("p", {class: "note"}, featureNote()),
      el(
        "div",
        {class: "tools"},
        el("label", {class: "grow", for: "feature-search"}, "Search features", find)
      ),
      featureTable(heads, body),
      more
    )
  );
  draw();
}

// ---- shape -------------------------------------------------------------------------------------
function chart(title, counts, name) {
  const most = Math.max(...counts, 1);
  const wide = Math.max(counts.length, 6);
  const width = 400;
  const step = (width - 20) / wide;
  const every = Math.ceil(wide / 10);
  return [
    el("h3", {}, title),
    svg(
      "svg",
      {
        class: "chart",
        viewBox: `0 0 ${width} 170`,
        role: "img",
        "aria-label": `${title}: ${counts
          .map((n, i) => (n ? `${name(i)}: ${count(n)}` : ""))
          .filter(Boolean)
          .slice(0, 60)
          .join("; ")}`
      },
      svg("line", {x1: 10, x2: width - 10, y1: 146.5, y2: 146.5}),
      counts.map((n, i) =>
        n === 0
          ? null
          : svg(
              "rect",
              {
                x: 10 + i * step + step * 0.08,
                width: step * 0.84,
                y: 146 - Math.max(2, (122 * n) / most),
                height: Math.max(2, (122 * n) / most),
                rx: Math.min(4, step / 5)
              },
              svg("title", {}, `${name(i)}: ${count(n)}`)
            )
      ),
      counts.map((n, i) =>
        i % every
          ? null
          : svg("text", {x: 10 + i * step + step / 2, y: 163, "text-anchor": "middle"}, name(i))
      ),
      svg("text", {x: 10, y: 12}, `most: ${count(most)}`)
    )
  ];
}
function shape() {
  const s = data.shape;
  const plain = (list) => (i) => (i === 255 && list.length === 256 ? "255+" : String(i));
  main.append(
    card(
      "shape",
      "Depth and leaves",
      el(
        "div",
        {class: "three"},
        el("div", {}, chart("Trees by depth", s.tree_depths, plain(s.tree_depths))),
        el("div", {}, chart("Leaves by depth", s.leaf_depths, plain(s.leaf_depths))),
        el(
          "div",
          {},
          chart("Trees by leaves, up to", s.tree_leaves, (i) => count(2 ** i))
        )
      )
    )
  );
}

// ---- file, benchmark, metadata, limits ---------------------------------------------------------
function sectionStrip(end) {
  return svg(
    "svg",
    {
      class: "strip",
      viewBox: "0 0 1000 44",
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": "Sections of the file in their order, as wide as they are long"
    },
    svg("rect", {class: "cold", x: 0, y: 0, width: 1000, height: 44}),
    data.sections.map((s, i) =>
      svg(
        "rect",
        {
          class: `c${i % 8}`,
          x: (1000 * s.offset) / end,
          y: 0,
          width: Math.max(1.5, (1000 * s.bytes) / end),
          height: 44
        },
        svg("title", {}, `${s.name}: ${size(s.bytes)}`)
      )
    )
  );
}
function pageStrip() {
  const map = data.map;
  const buckets = map.buckets || [];
  return buckets.length
    ? [
        el("h3", {}, "Pages in memory"),
        el(
          "p",
          {class: "note"},
          `${count(map.resident)} of ${plural(map.pages, "page")} of ${count(map.page_bytes)} ` +
            "bytes were in the page cache before this page was made."
        ),
        svg(
          "svg",
          {
            class: "strip",
            viewBox: "0 0 1000 44",
            preserveAspectRatio: "none",
            role: "img",
            "aria-label": `${percent(share(map.resident, map.pages))} of the file's pages in memory`
          },
          svg("rect", {class: "cold", x: 0, y: 0, width: 1000, height: 44}),
          buckets.map((b, i) =>
            svg("rect", {
              class: "warm",
              x: (1000 * i) / buckets.length,
              y: 44 - 0.44 * b,
              width: 1000 / buckets.length + 0.3,
              height: 0.44 * b
            })
          )
        )
      ]
    : [el("p", {class: "note"}, "This system does not say which pages are in memory.")];
}
const square = (i) =>
  svg(
    "svg",
    {class: "dot", viewBox: "0 0 10 10", "aria-hidden": "true"},
    svg("rect", {class: `c${i % 8}`, width: 10, height: 10, rx: 3})
  );
function file() {
  const end = Math.max(data.bytes, 1);
  main.append(
    card(
      "file",
      "Layout and file",
      el("h3", {}, "Parts"),
      table(
        "Parts",
        ["Part", "Layout", "Trees", "Deepest", "Node", "Codes", "Sums", "Leaf values"],
        data.parts.map((p, i) => [
          i,
          p.layout,
          count(p.tree_count),
          p.depth_max,
          plural(p.node_bytes, "byte"),
          p.code_bytes === 4 ? "float32" : plural(p.code_bytes, "byte"),
          p.sum_dtype,
          `${count(p.leaf_count)} × ${p.leaf_width}`
        ])
      ),
      data.part_count > data.parts.length
        ? el("p", {class: "note"}, `${plural(data.part_count - data.parts.length, "part")} more.`)
        : null,
      meta.layout && meta.layout.why ? el("p", {class: "note"}, `Why: ${meta.layout.why}`) : null,
      el("h3", {}, "Sections"),
      sectionStrip(end),
      table(
        "Sections",
        ["Section", "Offset", "Bytes", "Share", "Pages in memory"],
        data.sections.map((s, i) => [
          [square(i), s.name],
          count(s.offset),
          count(s.bytes),
          percent(share(s.bytes, end)),
          s.resident === null ? "–" : `${count(s.resident)} of ${count(s.pages)}`
        ])
      ),
      pageStrip()
    )
  );
}
function bench() {
  const b = data.bench;
  if (b === null) return;
  if (typeof b !== "object") {
    main.append(card("bench", "Benchmark", el("p", {}, b)));
    return;
  }
  const ns = (x) => (typeof x === "number" ? time(x) : "–");
  main.append(
    card(
      "bench",
      "Benchmark",
      el(
        "p",
        {class: "note"},
        `${b.cpu || "this machine"}; ${plural(b.thread_count || 1, "thread")}; ${b.output || ""} ` +
          `of ${count(b.row_count || 0)} rows ` +
          `${b.rows ? `of ${last(b.rows)}` : "made from the model's thresholds"}; file ` +
          `${last(b.file || "?")}.`
      ),
      table(
        "Benchmark by level",
        ["Level", "One row, median", "99 %", "99.9 %", "Row of a batch", "All threads", "Bits"],
        b.kernels.slice(0, 64).map((k) => {
          const one = k.one_row || {};
          return [
            `${k.level}${k.is_default ? " (used)" : ""}`,
            ns(one.p50_ns),
            ns(one.p99_ns),
            ns(one.p999_ns),
            ns(k.batch_ns_per_row),
            ns(k.threads_ns_per_row),
            k.bits_equal ? "equal" : "differ"
          ];
        })
      )
    )
  );
}
function jsonView(key, value, depth) {
  const name = key === null ? "" : `${key}: `;
  if (value !== null && typeof value === "object" && depth < 40) {
    const entries = Array.isArray(value) ? value.map((v, i) => [i, v]) : Object.entries(value);
    return el(
      "details",
      {open: depth < 2 ? true : null},
      el(
        "summary",
        {},
        el("span", {class: "key"}, name),
        Array.isArray(value) ? plural(entries.length, "item") : plural(entries.length, "field")
      ),
      el(
        "div",
        {},
        entries.slice(0, 500).map(([k, v]) => jsonView(k, v, depth + 1)),
        entries.length > 500 ? el("p", {}, `… ${count(entries.length - 500)} more`) : null
      )
    );
  }
  return el(
    "p",
    {},
    el("span", {class: "key"}, name),
    el(
      "span",
      {class: "mono"},
      value === null ? "null" : typeof value === "object" ? JSON.stringify(value) : value
    )
  );
}
function metadata() {
  main.append(
    card(
      "metadata",
      "Metadata",
      data.metadata === null
        ? el("p", {}, "The file holds no JSON metadata.")
        : el("div", {class: "json"}, jsonView(null, data.metadata, 0))
    )
  );
}
function limits() {
  const l = data.left_out;
  const parts = [];
  if (l.trees > 0) parts.push(`${plural(l.trees, "tree")} of ${count(data.tree_count)}`);
  if (l.trees_cut > 0) parts.push(`the lower levels of ${plural(l.trees_cut, "tree")}`);
  if (l.nodes > 0)
    parts.push(`${plural(l.nodes, "node")} in all (${count(l.nodes_shown)} are here)`);
  if (l.features > 0) parts.push(`${plural(l.features, "feature")} with the fewest splits`);
  if (data.rows && data.rows.is_cut) parts.push(`rows behind the first ${count(data.rows.count)}`);
  main.append(
    card(
      "limits",
      "What is left out",
      el(
        "p",
        {},
        parts.length
          ? `To stay small this page leaves out: ${parts.join("; ")}. Counts and distributions ` +
              "are of the whole model."
          : "Nothing: every tree and every feature that trees ask for is in this page."
      ),
      parts.length
        ? el(
            "p",
            {class: "note"},
            "--tree N takes tree N whole, --nodes N allows more nodes in all."
          )
        : null
    )
  );
}
