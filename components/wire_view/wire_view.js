// What is known of a run beside its text: its arrival as a picture, its sentences and usage, and the wire itself. One Details a sheet, in
// the sheet's own module, so that a sentence crosses once for both. It draws only what is open, and asks for the wire only when that is.

const ROW = 28;
const SPARE = 8;
const DRAW_MS = 100;
const READ_MS = 1000;
const BREATH_MS = 8;
const PAGE_MS = 5000; // after which the page is asked again
const PREVIEW = 300; // characters of an event in its row
const SHOWN = 50000; // and beside the list: more on one line, and a browser stands still
const NARROWEST = 3; // pixels a mark takes, with the room beside it
const STANDS_OUT = 1.5; // times the mean, from which the longest gap is marked
const PICTURE = 132;
const BASE = 100;
const TALLEST = 74;
const encoder = new TextEncoder();
let lists = 0;

function vector(tag, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (parent) parent.append(made);
  return made;
}

async function copyText(text, root) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const box = element("textarea", "hidden-live", root);
    box.value = text;
    box.select();
    document.execCommand("copy");
    box.remove();
  }
}

// Marks for what has no shape of its own: line ends, tabs, and the space at an end.
function drawText(text, parent) {
  for (const part of text.split(/([\n\t\r]|^ | $)/)) {
    if (!part) continue;
    if (part === " ") element("i", "", parent, "␣");
    else if (drawn[part]) element("i", "", parent, drawn[part]);
    else parent.append(part);
  }
}

// UTF-8. What was no UTF-8 on the wire stands in a recording as the half characters U+DC80 to U+DCFF, a byte each.
function sizeOf(raw) {
  return encoder.encode(raw).length - 2 * (raw.match(/[\udc80-\udcff]/gu)?.length ?? 0);
}

// An event as far as it fits its row, without the fields in front that are those of the event before.
function onwards(raw, before = "") {
  let same = 0;
  while (same < PREVIEW && same < raw.length && raw[same] === before[same]) same++;
  const field = raw.lastIndexOf(',"', same);
  const start = field > 0 && raw.length > same ? field + 1 : 0;
  return (start ? "… " : "") + raw.slice(start, start + PREVIEW);
}

class Details {
  constructor(view, root) {
    this.view = view;
    const tabs = element("div", "tabs", root);
    this.tabs = {};
    this.panels = {};
    for (const name of ["timeline", "table", "wire"]) {
      const tab = (this.tabs[name] = element("button", "", tabs));
      tab.type = "button";
      tab.setAttribute("aria-expanded", "false");
      tab.onclick = () => this.open(this.opened === name ? null : name);
      this.panels[name] = element("div", `panel ${name}`, root);
      this.panels[name].hidden = true;
    }
    this.parts = {
      timeline: new Timeline(view, this.panels.timeline),
      table: new Sentences(view, this.panels.table),
      wire: new WireList(view, this.panels.wire),
    };
    this.opened = null;
  }

  dress(labels) {
    if (this.language === this.view.language) return;
    this.language = this.view.language;
    for (const [name, tab] of Object.entries(this.tabs)) tab.textContent = labels[name];
    for (const part of Object.values(this.parts)) part.dress(labels);
    this.changed();
  }

  begin() {
    for (const part of Object.values(this.parts)) part.begin();
  }

  open(name) {
    this.opened = name;
    for (const [one, panel] of Object.entries(this.panels)) {
      panel.hidden = one !== name;
      this.tabs[one].setAttribute("aria-expanded", String(one === name));
    }
    this.parts.wire.look(name === "wire");
    this.view.point(null);
    this.draw();
  }

  take(data) {
    this.parts.wire.wire?.take(data);
  }

  changed() {
    if (this.opened) this.timer ??= setTimeout(() => this.draw(), DRAW_MS);
  }

  draw() {
    clearTimeout(this.timer);
    this.timer = null;
    if (this.opened) this.parts[this.opened].draw();
  }

  leave() {
    clearTimeout(this.timer);
    for (const part of Object.values(this.parts)) part.leave();
  }
}

// A list of any length, of which only the lines in sight exist.
class Lines {
  constructor(parent, name, { cells, choose, copy }) {
    this.cells = cells;
    this.choose = choose;
    this.id = `lines-${++lists}`;
    this.count = 0;
    this.chosen = null;
    this.follows = false;
    this.pool = [];
    this.port = element("div", `lines ${name}`, parent);
    this.port.tabIndex = 0;
    this.port.setAttribute("role", "grid");
    this.head = element("div", "head", this.port);
    this.head.setAttribute("role", "row");
    this.space = element("div", "space", this.port);
    this.space.setAttribute("role", "rowgroup");
    this.port.addEventListener("scroll", () => {
      const { scrollTop, clientHeight, scrollHeight } = this.port;
      this.follows = scrollTop + clientHeight >= scrollHeight - ROW;
      this.draw();
    }, { passive: true });
    this.port.addEventListener("keydown", (event) => this.key(event, copy));
    this.space.addEventListener("click", (event) => {
      const line = event.target.closest(".line");
      if (line) this.pick(line.place);
    });
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.port);
  }

  dress(label, heads) {
    this.port.setAttribute("aria-label", label);
    this.head.replaceChildren(...heads.map(([words, title]) => {
      const cell = Object.assign(element("span", "", null, words), { title: title ?? "" });
      cell.setAttribute("role", "columnheader");
      return cell;
    }));
    this.refresh();
  }

  clear() {
    this.chosen = null;
    this.follows = false;
    this.port.scrollTop = 0;
    this.port.removeAttribute("aria-activedescendant");
    this.resize(0);
    this.refresh();
  }

  resize(count) {
    this.port.hidden = !count;
    if (count !== this.count) {
      this.count = count;
      this.space.style.height = `${count * ROW}px`;
      this.port.setAttribute("aria-rowcount", String(count + 1));
      if (this.follows) this.port.scrollTop = this.port.scrollHeight;
    }
    this.draw();
  }

  refresh() {
    for (const line of this.pool) line.place = -1;
    this.draw();
  }

  draw() {
    const tall = this.port.clientHeight - ROW;
    if (tall <= 0) return;
    const first = Math.max(0, Math.floor(this.port.scrollTop / ROW) - SPARE);
    const last = Math.min(this.count, Math.ceil((this.port.scrollTop + tall) / ROW) + SPARE);
    while (this.pool.length < last - first) {
      const line = element("div", "line", this.space);
      line.setAttribute("role", "row");
      this.pool.push(line);
      for (const one of this.pool) one.place = -1;
    }
    for (const line of this.pool) line.hidden = true;
    for (let place = first; place < last; place++) {
      const line = this.pool[place % this.pool.length];
      line.hidden = false;
      if (line.place !== place) this.fill(line, place);
      line.classList.toggle("chosen", place === this.chosen);
      line.setAttribute("aria-selected", String(place === this.chosen));
    }
  }

  fill(line, place) {
    line.place = place;
    line.id = `${this.id}-${place}`;
    line.style.top = `${place * ROW}px`;
    line.setAttribute("aria-rowindex", String(place + 2));
    const { texts, className } = this.cells(place);
    line.className = `line ${className ?? ""}`;
    while (line.children.length < texts.length) element("span", "", line).setAttribute("role", "gridcell");
    texts.forEach((text, number) => {
      if (line.children[number].textContent !== text) line.children[number].textContent = text;
    });
  }

  pick(place) {
    if (!this.count) return;
    this.chosen = Math.min(this.count - 1, Math.max(0, place));
    const top = this.chosen * ROW;
    const tall = this.port.clientHeight - ROW;
    if (top < this.port.scrollTop) this.port.scrollTop = top;
    else if (top + ROW > this.port.scrollTop + tall) this.port.scrollTop = top + ROW - tall;
    this.draw();
    this.port.setAttribute("aria-activedescendant", `${this.id}-${this.chosen}`);
    this.choose(this.chosen);
  }

  key(event, copy) {
    const page = Math.max(1, Math.floor((this.port.clientHeight - ROW) / ROW) - 1);
    const now = this.chosen ?? -1;
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, PageDown: now + page, PageUp: now - page, Home: 0, End: this.count - 1 }[event.key];
    if (to !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.pick(to);
    } else if (event.key === "c" && (event.ctrlKey || event.metaKey) && this.chosen !== null && getSelection().isCollapsed) {
      event.preventDefault();
      copy?.(this.chosen);
    }
    event.stopPropagation(); // Streamlit's own single-key shortcuts
  }

  leave() {
    this.sizes.disconnect();
  }
}

class Timeline {
  constructor(view, panel) {
    this.view = view;
    this.picture = element("div", "picture", panel);
    this.picture.tabIndex = 0;
    this.picture.setAttribute("role", "slider");
    this.picture.setAttribute("aria-valuemin", "0");
    this.drawing = vector("svg", { height: PICTURE, "aria-hidden": "true" }, this.picture);
    this.shapes = {};
    for (const name of ["wait", "quiet", "safe", "flagged", "bars", "bad", "odd", "gap", "base", "end", "cross"])
      this.shapes[name] = vector("path", { class: name }, this.drawing);
    this.words = vector("g", {}, this.drawing);
    this.readout = element("p", "caption readout", panel);
    this.findings = element("div", "findings", panel);
    this.picture.addEventListener("pointermove", (event) => this.point(this.nearest(event.clientX - this.picture.getBoundingClientRect().left)));
    this.picture.addEventListener("pointerleave", () => this.point(this.focused ? this.pointed : null));
    this.picture.addEventListener("focus", () => {
      this.focused = true;
      if (this.pointed === null && this.counted.length) this.point(this.counted[0]);
    });
    this.picture.addEventListener("blur", () => {
      this.focused = false;
      this.point(null);
    });
    this.picture.addEventListener("keydown", (event) => this.key(event));
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.picture);
    this.begin();
  }

  dress(labels) {
    this.labels = labels;
    this.picture.setAttribute("aria-label", labels.timeline_help);
    this.told = undefined;
    this.point(this.pointed);
  }

  begin() {
    this.counted = []; // places of the rows that are sentences
    this.read = 0;
    this.pointed = null;
    this.told = undefined;
    this.findings.textContent = "";
    if (this.labels) this.point(null);
    this.draw();
  }

  draw() {
    const { rows, numbers, outcome, run } = this.view;
    const width = this.picture.clientWidth;
    if (!width || !this.labels) return;
    for (; this.read < rows.length; this.read++) if (numbers[this.read]) this.counted.push(this.read);
    const end = (this.end = Math.max(1, outcome ? outcome.elapsed_ms : run ? performance.now() - this.view.began : 1, rows.at(-1)?.[1] ?? 0));
    this.across = (ms) => 1 + (ms / end) * (width - 2);
    this.drawing.setAttribute("width", width);
    const put = (name, path) => this.shapes[name].setAttribute("d", path);
    put("base", `M0 ${BASE}.5H${width}`);
    this.drawBars(rows, width, put);
    this.drawSafety(rows, width, put);
    const first = this.counted.length ? this.left(0) : null;
    put("wait", first > 1 ? `M0 20H${first}V${BASE}H0Z` : "");
    this.shapes.end.setAttribute("class", `end ${outcome?.ending ?? ""}`);
    put("end", outcome ? `M${this.across(outcome.elapsed_ms) - 0.5} 4V${BASE}` : "");
    this.write(rows, width, first);
    this.tellFindings(outcome);
    this.cross();
  }

  // A mark a sentence. Those that came at once stand side by side as far as there is room; where there is none, one mark stands for
  // all that share a pixel, as high as the longest.
  drawBars(rows, width, put) {
    const many = this.counted.length;
    const tallest = this.counted.reduce((most, place) => Math.max(most, rows[place][0].length), 1);
    const tall = (place) => Math.max(3, (rows[place][0].length / tallest) * TALLEST);
    const paths = ["", ""];
    const bar = (x, high, bad) => (paths[Number(bad)] += `M${x.toFixed(1)} ${BASE}v${-high.toFixed(1)}h${this.wide}V${BASE}Z`);
    this.places = many * NARROWEST <= width ? this.sideBySide(rows, width) : null;
    if (this.places) this.counted.forEach((place, number) => bar(this.places[number], tall(place), rows[place][5] === 0));
    else {
      this.wide = 1;
      const high = new Float64Array(width + 1);
      const bad = new Uint8Array(width + 1);
      for (const place of this.counted) {
        const x = Math.floor(this.across(rows[place][1]));
        high[x] = Math.max(high[x], tall(place));
        if (rows[place][5] === 0) bad[x] = 1;
      }
      high.forEach((one, x) => one && bar(x, one, bad[x]));
    }
    put("bars", paths[0]);
    put("bad", paths[1]);
    const odd = (this.view.outcome?.inspection.badges ?? []).flatMap((badge) => badge.places).filter((number) => number <= many);
    const middle = (number) => Math.min(width - 5, Math.max(5, this.middle(this.counted[number - 1])));
    put("odd", odd.map((number) => `M${middle(number)} ${BASE + 1}l5 8h-10Z`).join(""));
  }

  sideBySide(rows, width) {
    const exact = this.counted.map((place) => this.across(rows[place][1]));
    this.wide = Math.min(6, Math.floor(width / exact.length) - 1);
    const step = this.wide + 1;
    const places = [];
    for (const x of exact) places.push(Math.max(x, (places.at(-1) ?? -step) + step));
    for (let number = places.length - 1, most = width - this.wide; number >= 0; number--, most -= step) {
      if (places[number] <= most) break;
      places[number] = most;
    }
    return places;
  }

  left(number) {
    return this.places?.[number] ?? this.across(this.view.rows[this.counted[number]][1]);
  }

  middle(place) {
    return this.left(this.view.numbers[place] - 1) + this.wide / 2;
  }

  // What was said of safety from each sentence to the next, as a strip beneath: nothing said is a state of its own.
  drawSafety(rows, width, put) {
    const paths = { quiet: "", safe: "", flagged: "" };
    const name = (place) => ({ 1: "safe", 0: "flagged" })[rows[place][5]] ?? "quiet";
    for (let number = 0; number < this.counted.length; ) {
      const state = name(this.counted[number]);
      const from = this.left(number);
      while (number < this.counted.length && name(this.counted[number]) === state) number++;
      const to = number < this.counted.length ? this.left(number) : width;
      if (to - from >= 0.5 || state === "flagged") paths[state] += `M${from.toFixed(1)} ${BASE + 3}H${Math.max(to, from + 2).toFixed(1)}v4H${from.toFixed(1)}Z`;
    }
    for (const [one, path] of Object.entries(paths)) put(one, path);
  }

  write(rows, width, first) {
    const { labels } = this;
    const { outcome } = this.view;
    this.words.textContent = "";
    const taken = [];
    const say = (words, x, y, anchor, className = "") => {
      const text = vector("text", { x, y, class: className, "text-anchor": anchor }, this.words);
      text.textContent = words;
      const long = text.getComputedTextLength();
      const left = anchor === "end" ? x - long : anchor === "middle" ? x - long / 2 : x;
      const clash = taken.some(([a, b, row]) => row === y && left < b + 8 && left + long > a - 8);
      if (left < 0 || left + long > width || clash) text.remove();
      else taken.push([left, left + long, y]);
      return text.isConnected;
    };
    const ticks = this.end / Math.max(2, Math.floor(width / 90));
    const power = 10 ** Math.floor(Math.log10(ticks));
    const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= ticks);
    const places = step >= 1000 ? 0 : Math.min(3, Math.ceil(-Math.log10(step / 1000)));
    for (let ms = 0; ms <= this.end; ms += step)
      say(fill(labels.waited, { seconds: (ms / 1000).toFixed(places) }), Math.max(1, this.across(ms)), PICTURE - 4, ms ? "middle" : "start", "tick");
    if (outcome) say(`${labels[outcome.ending]} · ${fill(labels.waited, { seconds: seconds(outcome.elapsed_ms) })}`, width - 7, 13, "end", `ending ${outcome.ending}`);
    if (first !== null) {
      const words = fill(labels.first, { seconds: seconds(rows[this.counted[0]][1]) });
      if (first < 140 || !say(words, first - 6, 13, "end")) say(words, first < 140 ? first : 1, 13, "start");
    }
    this.writeGap(rows, say);
  }

  // The longest silence between two sentences, where there is room to say it.
  writeGap(rows, say) {
    let longest = 0;
    let from = null;
    for (let number = 1; number < this.counted.length; number++) {
      const gap = rows[this.counted[number]][1] - rows[this.counted[number - 1]][1];
      if (gap > longest) [longest, from] = [gap, rows[this.counted[number - 1]][1]];
    }
    const usual = (rows[this.counted.at(-1)]?.[1] - rows[this.counted[0]]?.[1]) / (this.counted.length - 1);
    let path = "";
    if (longest > STANDS_OUT * usual && this.counted.length > 2) {
      const [left, right] = [this.across(from) + this.wide + 2, this.across(from + longest) - 2];
      const words = fill(this.labels.longest_gap, { seconds: seconds(longest) });
      if (right - left > 24 && say(words, (left + right) / 2, 13, "middle")) path = `M${left} 20v5M${left} 22.5H${right}M${right} 20v5`;
    }
    this.shapes.gap.setAttribute("d", path);
  }

  nearest(x) {
    if (!this.counted.length) return null;
    let low = 0;
    let high = this.counted.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.middle(this.counted[middle]) < x) low = middle + 1;
      else high = middle;
    }
    if (low && x - this.middle(this.counted[low - 1]) < this.middle(this.counted[low]) - x) low -= 1;
    return this.counted[low];
  }

  key(event) {
    const many = this.counted.length;
    const now = (this.view.numbers[this.pointed] ?? 0) - 1;
    const steps = { ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1, PageDown: now + 10, PageUp: now - 10, Home: 0, End: many - 1 };
    const to = steps[event.key];
    if (to === undefined || !many) return;
    event.preventDefault();
    event.stopPropagation();
    this.point(this.counted[Math.min(many - 1, Math.max(0, to))]);
  }

  point(place) {
    const { labels, view } = this;
    this.pointed = place;
    const number = view.numbers?.[place] ?? 0;
    let words = labels?.timeline_caption ?? "";
    if (number) words = figuresOf(view, place);
    this.picture.setAttribute("aria-valuenow", String(number));
    this.picture.setAttribute("aria-valuemax", String(this.counted.length));
    this.picture.setAttribute("aria-valuetext", words);
    this.readout.textContent = words;
    this.readout.classList.toggle("said", number > 0);
    view.point?.(number ? place : null);
    this.cross();
  }

  cross() {
    const seen = this.pointed !== null && this.view.rows[this.pointed] && this.wide;
    this.shapes.cross.setAttribute("d", seen ? `M${this.middle(this.pointed)} 18V${BASE + 8}` : "");
  }

  // In words: what stands out, and what was said of safety, from sentence to sentence.
  tellFindings(outcome) {
    const { inspection } = outcome ?? {};
    if (this.told === inspection) return;
    this.told = inspection;
    this.findings.textContent = "";
    if (!inspection) return;
    for (const badge of inspection.badges) this.finding("warn", badge.words, badge.meaning);
    for (const span of inspection.safety) {
      const verdict = this.labels[span.verdict === "not returned" ? "verdict_none" : `verdict_${span.verdict}`];
      const title = fill(this.labels[span.first === span.last ? "one_of" : "several_of"], { ...span, verdict });
      this.finding(span.verdict === "not returned" ? "quiet" : span.verdict, title, [span.meaning, span.remedy].filter(Boolean).join(" "), span.flag);
    }
  }

  finding(className, title, words, field) {
    const line = element("p", `finding ${className}`, this.findings);
    element("b", "", line, title);
    if (field) element("code", "", line, field);
    element("span", "", line, words);
  }

  leave() {
    this.sizes.disconnect();
  }
}

// One sentence in figures, for whoever points at it.
function figuresOf(view, place) {
  const { labels, numbers, rows } = view;
  const [text, ms, total, completion, prompt, verdict] = rows[place];
  const parts = [numbers[place] ? fill(labels.sentence_number, { number: numbers[place] }) : labels.no_sentence, fill(labels.after, { seconds: seconds(ms) })];
  if (place) parts.push(fill(labels.gap_of, { seconds: seconds(ms - rows[place - 1][1]) }));
  parts.push(fill(labels.characters, { count: [...text].length }));
  if (total != null) parts.push(fill(labels.stated, { figures: [prompt, completion, total].map((one) => one ?? "–").join(" / ") }));
  if (verdict != null) parts.push(labels[verdict === 1 ? "verdict_safe" : "verdict_flagged"]);
  return parts.join(" · ");
}

class Sentences {
  constructor(view, panel) {
    this.view = view;
    this.usage = element("div", "usage", panel);
    this.none = element("p", "caption", panel);
    this.lines = new Lines(panel, "sentences", { cells: (place) => this.cells(place), choose: (place) => this.choose(place) });
    this.pane = element("div", "pane", panel);
    this.pane.hidden = true;
    this.paneHead = element("p", "caption", this.pane);
    this.paneText = element("pre", "", this.pane);
    this.paneText.tabIndex = 0;
    this.limits = element("p", "caption limits", panel);
    this.begin();
  }

  dress(labels) {
    this.labels = labels;
    this.none.textContent = labels.empty_table;
    const heads = ["number", "arrived", "gap", "characters", "usage", "safety", "text"].map((name) => [labels[`col_${name}`], labels[`col_${name}_help`]]);
    this.lines.dress(labels.table, heads);
    this.told = undefined;
    if (this.lines.chosen !== null) this.show(this.lines.chosen);
  }

  begin() {
    this.told = undefined;
    this.pane.hidden = true;
    this.usage.textContent = this.limits.textContent = "";
    this.lines.clear();
  }

  draw() {
    const { rows, outcome } = this.view;
    this.none.hidden = rows.length > 0;
    if (!this.lines.count && this.view.going()) this.lines.follows = true;
    this.lines.resize(rows.length);
    if (this.told === outcome) return;
    this.told = outcome;
    this.tellUsage(outcome);
    const limits = Object.entries(outcome?.rate_limits ?? {}).map(([name, value]) => `${name} ${value}`);
    this.limits.replaceChildren(...(limits.length ? [this.labels.rate_limits, ...limits] : []).map((words) => element("span", "", null, words)));
    this.odd = new Set((outcome?.inspection?.badges ?? []).flatMap((badge) => badge.places));
    this.lines.refresh();
  }

  cells(place) {
    const { labels } = this;
    const { rows } = this.view;
    const [text, ms, total, completion, prompt, verdict] = rows[place];
    const number = this.view.numbers[place];
    return {
      className: [verdict === 0 ? "flagged" : "", number && this.odd?.has(number) ? "odd" : ""].join(" "),
      texts: [
        number ? String(number) : "",
        `${seconds(ms)} s`,
        place ? `+${seconds(ms - rows[place - 1][1])} s` : "",
        String(text.length > PREVIEW ? text.length : [...text].length),
        total == null && prompt == null && completion == null ? "–" : [prompt, completion, total].map((n) => n ?? "–").join(" / "),
        labels[verdict === 1 ? "verdict_safe" : verdict === 0 ? "verdict_flagged" : "verdict_none"],
        text.slice(0, PREVIEW).replace(/[\n\t\r]/g, (one) => drawn[one].trim()).replace(/^ | $/g, "␣"),
      ],
    };
  }

  choose(place) {
    this.show(place);
    this.view.point(place, true);
  }

  show(place) {
    this.pane.hidden = false;
    this.paneHead.textContent = figuresOf(this.view, place);
    this.paneText.textContent = "";
    drawText(this.view.rows[place][0].slice(0, SHOWN), this.paneText);
  }

  tellUsage(outcome) {
    this.usage.textContent = "";
    const { labels } = this;
    const { usage } = outcome?.inspection ?? {};
    if (!usage) return;
    const figures = element("div", "figures", this.usage);
    const figure = (value, words, className = "") => {
      const box = element("div", `figure ${className}`, figures);
      element("b", "", box, value == null ? "–" : value.toLocaleString("en"));
      element("span", "", box, words);
    };
    figure(outcome.tokens?.[1], labels.reading_total, "right");
    figure(usage.last, labels.reading_last);
    figure(usage.summed, labels.reading_sum);
    figure(usage.estimate, labels.reading_estimate);
    const words = element("p", "why", this.usage);
    element("b", "", words, labels[`dialect_${usage.dialect}`]);
    element("span", "", words, `${usage.words} ${usage.why}`);
    for (const warning of usage.warnings) element("p", "note", this.usage, warning);
  }

  leave() {
    this.lines.leave();
  }
}

// The wire of one run: what was sent and what came, as the recording route tells it, and what came since. Where the route cannot be
// reached, the page is asked for the same lines.
class Wire {
  constructor(view, heard) {
    this.view = view;
    this.heard = heard;
    this.run = view.run;
    this.forget();
    this.whole = false;
    this.reading = false;
    this.gone = new AbortController();
  }

  get path() {
    return `${this.run.path}/recording`;
  }

  async read() {
    if (this.whole || this.gone.signal.aborted || (this.reading && !(this.byData && Date.now() - this.asked > PAGE_MS))) return;
    this.reading = true;
    const ended = this.view.outcome !== null;
    if (ended && this.view.outcome.attempts > 1) this.forget();
    if (this.byData) return this.askPage();
    try {
      const answer = await fetch(this.response ? `${this.path}?from=${this.events.length}` : this.path, { cache: "no-store", signal: this.gone.signal });
      // A host that does not forward the route may answer with a page of its own.
      if (!answer.ok || !answer.headers.get("content-type")?.includes("ndjson")) throw new Error(String(answer.status));
      await this.readLines(answer.body.getReader());
      this.whole = ended;
    } catch {
      if (this.gone.signal.aborted) return;
      this.byData = true;
      this.forget();
      return this.askPage();
    }
    this.reading = false;
    this.heard();
  }

  askPage() {
    this.asked = Date.now();
    this.view.component.setStateValue("wire", { run: this.run.id, from: this.response ? this.events.length : -1, at: this.asked });
  }

  async readLines(reader) {
    const decoder = new TextDecoder();
    let rest = "";
    let since = performance.now();
    for (;;) {
      const { done, value } = await reader.read();
      if (performance.now() - since > BREATH_MS) {
        await new Promise((resume) => setTimeout(resume)); // what has come already would be read in one go, and the page stand still
        since = performance.now();
      }
      const lines = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = lines.pop();
      for (const line of lines) this.line(line);
      this.heard();
      if (done) break;
    }
    if (rest) this.line(rest);
  }

  line(text) {
    const fields = parsed(text);
    if (!fields) return;
    const raw = fields.event ?? fields.body;
    if (raw !== undefined) {
      const size = sizeOf(raw);
      this.events.push({ at: fields.at * 1000, raw, size });
      this.size += size;
    } else if (fields.response) this.response = { ...fields.response, at: fields.at * 1000 };
    else if (fields.recording) this.sent = fields.request;
  }

  // What the page handed over in answer to the last question.
  take(data) {
    if (!data || data.at !== this.asked || data.at === this.taken) return;
    this.taken = data.at;
    this.reading = false;
    if (data.from < 0) this.forget();
    this.lines.push(...data.lines);
    for (const line of data.lines) this.line(line);
    this.whole = data.whole;
    this.heard();
    if (data.more) this.askPage();
    else if (this.whole) this.view.component.setStateValue("wire", null); // or the page would hand them over at every rerun
  }

  forget() {
    this.sent = this.response = null;
    this.events = [];
    this.lines = []; // as the page handed them over
    this.size = 0;
  }
}

class WireList {
  constructor(view, panel) {
    this.view = view;
    this.wire = null;
    this.looked = false;
    this.none = element("p", "caption", panel);
    this.folds = {};
    for (const name of ["request", "response"]) {
      const fold = (this.folds[name] = element("details", `fold ${name}`, panel));
      fold.titleBox = element("summary", "", fold);
      fold.textBox = element("pre", "", fold);
      fold.textBox.tabIndex = 0;
    }
    const bar = element("div", "wirebar", panel);
    this.sum = element("span", "sum", bar);
    element("span", "spring", bar);
    this.copyOne = view.button("tool", bar);
    this.copyAll = view.button("tool", bar);
    this.save = element("a", "tool", bar);
    this.lines = new Lines(panel, "events", {
      cells: (place) => this.cells(place), choose: (place) => this.choose(place), copy: (place) => this.copy([this.wire.events[place]]),
    });
    this.pane = element("div", "pane", panel);
    this.paneHead = element("p", "caption", this.pane);
    this.paneText = element("pre", "", this.pane);
    this.paneText.tabIndex = 0;
    this.copyOne.onclick = () => this.copy([this.wire.events[this.lines.chosen]]);
    this.copyAll.onclick = () => this.copy(this.wire.events);
    this.save.onclick = (event) => this.saveByData(event);
    this.begin();
  }

  dress(labels) {
    this.labels = labels;
    this.copyOne.textContent = labels.copy_event;
    this.copyAll.textContent = labels.copy_events;
    this.save.textContent = labels.save_recording;
    this.save.title = labels.save_help;
    const heads = ["number", "arrived", "gap", "bytes", "event"].map((name) => [labels[`col_${name}`], labels[`col_${name}_help`]]);
    this.lines.dress(labels.wire_events, heads);
    if (this.lines.chosen !== null) this.choose(this.lines.chosen);
  }

  begin() {
    this.wire?.gone.abort();
    this.wire = null;
    clearTimeout(this.timer);
    for (const fold of Object.values(this.folds)) fold.open = false;
    this.lines.clear();
    this.choose(null);
    if (this.looked) this.look(true);
  }

  // Whether anybody looks: nothing is asked for before, and nothing more after.
  look(looked) {
    this.looked = looked;
    clearTimeout(this.timer);
    if (!looked || !this.view.run) return;
    this.wire ??= new Wire(this.view, () => this.heard());
    if (this.view.going()) this.lines.follows = this.lines.chosen === null;
    this.again();
  }

  again() {
    clearTimeout(this.timer);
    if (!this.looked || !this.wire || this.wire.whole) return;
    if (!document.hidden) this.wire.read();
    this.timer = setTimeout(() => this.again(), READ_MS);
  }

  heard() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.looked) this.draw();
    });
  }

  draw() {
    const { labels, wire, view } = this;
    const none = !wire || (!wire.sent && !wire.events.length);
    this.none.hidden = !none;
    this.none.textContent = !view.run ? labels.wire_none : wire?.whole ? labels.wire_gone : labels.wire_wait;
    for (const fold of Object.values(this.folds)) fold.hidden = none;
    this.sum.parentElement.hidden = this.pane.hidden = none;
    if (none) return;
    this.drawExchange(wire, labels);
    const { events, size } = wire;
    const count = events.length;
    const dropped = view.outcome?.dropped;
    const parts = [fill(count === 1 ? labels.one_event : labels.events, { count: count.toLocaleString("en") })];
    parts.push(fill(labels.bytes, { count: size.toLocaleString("en") }));
    if (dropped && wire.whole) parts.push(fill(labels.dropped, { count: dropped.toLocaleString("en") }));
    this.sum.textContent = parts.join(" · ");
    this.copyAll.disabled = !count;
    this.copyOne.disabled = this.lines.chosen === null;
    this.save.href = wire.path;
    this.lines.resize(count);
  }

  drawExchange({ sent, response }, labels) {
    const { request: asked, response: came } = this.folds;
    const headersOf = (headers) => Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`);
    const say = (fold, title, parts, text) => {
      if (fold.said === (fold.said = title + text)) return;
      fold.titleBox.replaceChildren(element("b", "", null, title), ...parts.map((part) => element("span", "", null, part)));
      fold.textBox.textContent = text;
    };
    if (sent) say(asked, labels.wire_request, [`${sent.method} ${sent.url}`], [`${sent.method} ${sent.url}`, ...headersOf(sent.headers), "", sent.body].join("\n"));
    came.hidden = !response;
    if (!response) return;
    const kind = Object.entries(response.headers ?? {}).find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
    const parts = [[response.version, response.status].filter(Boolean).join(" "), kind, fill(labels.headers_after, { seconds: seconds(response.at) })];
    say(came, labels.wire_response, parts.filter(Boolean), [parts[0], ...headersOf(response.headers)].join("\n"));
  }

  cells(place) {
    const { at, raw, size } = this.wire.events[place];
    const before = place ? this.wire.events[place - 1].at : (this.wire.response?.at ?? 0);
    return {
      texts: [
        String(place + 1), `${seconds(at)} s`, `+${seconds(Math.max(0, at - before))} s`, size.toLocaleString("en"),
        onwards(raw, this.wire.events[place - 1]?.raw).trimEnd().replace(/[\n\t\r]/g, (one) => drawn[one].trim()),
      ],
    };
  }

  choose(place) {
    const event = place === null ? null : this.wire.events[place];
    this.paneText.hidden = !event;
    this.copyOne.disabled = !event;
    if (!event) {
      this.paneHead.textContent = this.labels?.choose_event ?? "";
      this.paneText.textContent = "";
      return;
    }
    const parts = [fill(this.labels.event_number, { number: place + 1 }), fill(this.labels.after, { seconds: seconds(event.at) })];
    parts.push(fill(this.labels.bytes, { count: event.size.toLocaleString("en") }));
    if (event.raw.length > SHOWN) parts.push(this.labels.shown_in_part);
    this.paneHead.textContent = parts.join(" · ");
    this.paneText.textContent = event.raw.slice(0, SHOWN);
  }

  async copy(events) {
    await copyText(events.map(({ raw }) => raw).join(""), this.view.root);
    this.view.live.textContent = this.labels.copied;
    const button = events.length === 1 && this.lines.chosen !== null ? this.copyOne : this.copyAll;
    const words = button === this.copyOne ? "copy_event" : "copy_events";
    button.textContent = this.labels.copied;
    setTimeout(() => (button.textContent = this.labels[words]), 1500);
  }

  // Where the route cannot be reached, the lines that the page hands over make the file.
  saveByData(event) {
    if (!this.wire?.byData) return;
    event.preventDefault();
    const link = element("a", "", null);
    link.href = URL.createObjectURL(new Blob([this.wire.lines.join("")], { type: "application/x-ndjson" }));
    link.download = "recording.jsonl";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  leave() {
    this.wire?.gone.abort();
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    this.lines.leave();
  }
}
