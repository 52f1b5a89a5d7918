// The sheet: one View an element. The loader calls `draw` at every change of data; it must change nothing twice. `STYLE`, its look, is
// put before this by __init__.py.

const PAUSE_MS = 10; // between two paintings, or SHARE times as long as the one before took
const SHARE = 4;
const STATE_MS = 120;
const PART = 3000; // characters after which laid-out text is left alone while more arrives
const SPOKEN_MS = 4000;
const NUMBERS = 4; // of a row's parts: text, ms, total, completion and prompt tokens, verdict, cost
const PARTS = 7;
const MOST_SEAMS = 2000; // in sight at once
const DRAFT_MS = 400;
const OPEN_MS = 8000;
const TRIES = 2;
const REFUSALS = 10;
const AGAIN_MS = 1000;
const LOST_MS = 1500;
const STORE = "playground-draft";
const ANY = "*"; // typed while it was not known yet at which run: an undo was on its way
const PRESETS = "playground-presets";
const LOOKS = "playground-looks";
const LOOKS_OF = ["seams", "mono", "wrap"];
const views = new Map();
const style = new CSSStyleSheet();
style.replaceSync(STYLE);

export default function ({ data: [data] }) {
  const code = (window.playgroundSheet ??= (() => {
    let give;
    return { come: new Promise((found) => (give = found)), give };
  })());
  code.labels = { ...code.labels, [data.language]: data.labels };
  code.give(draw);
  // A sheet may have changed its language before the words were here.
  for (const view of views.values()) if (view.component && view.language !== view.component.data.language) view.update(view.component);
}

function draw(component) {
  const { parentElement } = component;
  const root = parentElement.querySelector(".run-view");
  let view = views.get(root);
  if (!view) {
    const home = root.getRootNode();
    home.adoptedStyleSheets = [...home.adoptedStyleSheets, style];
    views.set(root, (view = new View(root)));
  }
  view.update(component);
  return () => {
    view.leave();
    views.delete(root);
  };
}

function element(tag, className, parent, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

// Line drawings of our own on a grid of 24, so that no font has to know a sign.
const ICONS = {
  undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "m15 14 5-5-5-5M20 9H10a6 6 0 0 0 0 12h3",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  copied: "m5 13 5 5L20 7",
  seams: "M3 12h5m8 0h5M12 4v3m0 3.5v3m0 3.5v3",
  wrap: "M4 6h16M4 12h13a3 3 0 0 1 0 6h-4m2-2-2 2 2 2M4 18h5",
  mono: "m8 7-5 5 5 5m8-10 5 5-5 5",
};

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", ICONS[name]);
  drawing.append(line);
  return drawing;
}

function fill(label, values) {
  return label.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// Storage may be shut in private windows, or full: then nothing is kept beyond the session.
function recall(storage, key) {
  try {
    return storage.getItem(key);
  } catch {
    return null;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function remember(storage, key, text) {
  try {
    storage.setItem(key, text);
  } catch {
    // kept in the session only
  }
}

// The same rule as report.py's: an event that brings neither text nor a verdict is no sentence; its usage is read all the same.
const counts = (row) => row[0] !== "" || row[5] !== null;
const seconds = (ms) => (ms / 1000).toFixed(ms < 9995 ? 2 : 1);
const drawn = { "\n": "⏎\n", "\t": "⇥", "\r": "␍" };

class View {
  constructor(root) {
    this.root = root;
    this.run = null; // what is followed: {id, path, title, group}
    this.rows = [];
    this.numbers = [];
    this.ends = [];
    this.sentences = 0;
    this.outcome = null;
    this.waiting = []; // texts not painted yet
    this.revision = -1;
    this.followsEnd = true;
    this.build();
    this.onStorage = (event) => {
      // Another tab has saved or deleted a preset: this one follows, or they would undo each other.
      if (this.playing || event.key !== PRESETS || !event.newValue || event.newValue === this.presets) return;
      this.presets = event.newValue;
      this.component.setStateValue("presets", event.newValue);
    };
    window.addEventListener("storage", this.onStorage);
    this.onKey = (event) => this.key(event);
    // On its way down: Streamlit's boxes keep keys that bubble up from them to themselves.
    document.addEventListener("keydown", this.onKey, true);
  }

  build() {
    const { root } = this;
    root.textContent = "";
    const sheet = element("div", "sheet", root);
    this.scroll = element("div", "scroll", sheet);
    const stack = (this.stack = element("div", "stack", this.scroll));
    this.prompt = element("textarea", "prompt", stack);
    this.prompt.rows = 1;
    this.prompt.spellcheck = false;
    const mirror = element("div", "mirror", stack);
    this.typed = element("span", "typed", mirror);
    this.typed.setAttribute("aria-hidden", "true");
    mirror.append(document.createElement("wbr"));
    this.answer = element("span", "answer", mirror);
    this.answer.setAttribute("role", "region");
    this.caret = element("span", "caret", mirror);
    this.caret.setAttribute("aria-hidden", "true");
    this.over = element("div", "over", stack);
    this.over.setAttribute("aria-hidden", "true");
    this.sizes = new ResizeObserver(() => {
      this.unite();
      this.overlay();
    });
    this.sizes.observe(this.answer.parentElement);
    this.jump = this.button("jump", sheet);
    this.estimate = element("span", "estimate", sheet);
    const bar = element("div", "bar", root);
    this.go = this.button("go", bar);
    this.goText = element("span", "", this.go);
    this.goKey = element("kbd", "", this.go);
    this.onward = this.button("onward", bar);
    const pager = element("span", "pager", bar);
    this.undo = this.button("quiet icon undo", pager, "undo");
    this.standing = element("span", "standing", pager);
    this.redo = this.button("quiet icon redo", pager, "redo");
    element("span", "spring", bar);
    this.looks = {};
    for (const name of LOOKS_OF) {
      this.looks[name] = this.button(`quiet icon look-${name}`, bar, name);
      this.looks[name].onclick = () => this.look(name, !this.root.classList.contains(name));
    }
    this.copy = this.button("quiet icon copy", bar, "copy");
    this.refusal = element("div", "note refusal", root);
    this.refusal.setAttribute("role", "alert");
    this.loopNote = element("div", "note loop", root);
    this.loopNote.setAttribute("role", "status");
    this.loopWords = element("div", "", this.loopNote);
    this.stopNow = this.button("", this.loopNote);
    this.loopNote.hidden = true;
    this.status = element("div", "status", root);
    this.badges = element("div", "badges", root);
    this.note = element("div", "note outcome", root);
    this.note.setAttribute("role", "alert");
    this.live = element("div", "hidden-live", root);
    this.live.setAttribute("aria-live", "polite");
    this.details = new Details(this, root);

    this.scroll.addEventListener("scroll", () => {
      const { scrollTop, clientHeight, scrollHeight } = this.scroll;
      // While it follows, what came since the last frame is not in sight yet, and that is nobody's doing.
      const end = this.followsEnd ? Math.min(this.end, scrollHeight) : scrollHeight;
      this.followsEnd = scrollTop + clientHeight >= end - 30;
      this.showFollow();
      this.overlay();
    }, { passive: true });
    this.scroll.addEventListener("mousedown", (event) => {
      if (event.target === this.scroll || event.target === stack) {
        event.preventDefault();
        this.prompt.focus();
      }
    });
    this.prompt.addEventListener("input", () => this.edited());
    this.prompt.addEventListener("blur", () => this.sendDraft());
    // Streamlit's own single-key shortcuts must not hear what is typed here.
    this.prompt.addEventListener("keydown", (event) => event.stopPropagation());
    this.jump.onclick = () => {
      this.followsEnd = true;
      this.toEnd();
      this.showFollow();
    };
    this.go.onclick = () => (this.going() ? this.stop() : this.ask());
    this.copy.onclick = () => this.copyAnswer();
    this.onward.onclick = () => this.ask("continue");
    this.undo.onclick = () => this.move(-1);
    this.redo.onclick = () => this.move(1);
    this.stopNow.onclick = () => this.stop();
    const looks = parsed(recall(localStorage, LOOKS)) ?? { mono: false, wrap: true };
    for (const name of LOOKS_OF) this.look(name, Boolean(looks[name]));
  }

  button(className, parent, drawing) {
    const made = element("button", className, parent);
    made.type = "button";
    if (drawing) made.append(icon(drawing));
    return made;
  }

  look(name, on) {
    this.root.classList.toggle(name, on);
    this.looks[name].setAttribute("aria-pressed", String(on));
    const all = Object.fromEntries(LOOKS_OF.map((one) => [one, this.root.classList.contains(one)]));
    remember(localStorage, LOOKS, JSON.stringify(all));
    if (this.outcome && name !== "seams") this.unite(this.answer.textContent);
    this.overlay();
  }

  update(component) {
    const { data } = component;
    this.component = component;
    const labels = window.playgroundSheet.labels[data.language];
    if (!labels) return;
    this.data = data;
    this.labels = labels;
    const relabelled = this.language !== undefined && this.language !== data.language;
    this.language = data.language;
    this.playing = data.playing;
    this.root.classList.toggle("replay", Boolean(this.playing));
    this.dress();
    if (data.revision > this.revision) {
      const first = this.revision === -1;
      this.revision = data.revision;
      this.moving = false;
      // What was typed before a reload comes back: with the run it was typed at, or with none.
      const stored = first && !this.playing ? parsed(recall(sessionStorage, STORE)) : null;
      const kept = stored && (data.run ? [data.run.id, ANY].includes(stored.run) : data.revision === 1) ? stored.text : null;
      // What was typed while the answer to an undo was on its way stays.
      const typedSince = !first && !this.playing && this.prompt.value !== this.draft;
      if (typedSince) this.keepDraft();
      else this.setPrompt(kept ?? data.prompt);
      if (typedSince || (kept !== null && kept !== data.prompt)) this.sendDraft();
    }
    this.say(this.refusal, data.refusal ? [data.refusal.message, data.refusal.remedy] : []);
    this.asked = data.refusal ? null : this.asked;
    if ((data.run?.id ?? null) !== (this.run?.id ?? null)) this.begin(data.run, Boolean(data.rows));
    else if (relabelled && this.run) this.relabel(data.run);
    if (data.rows) this.take(data.rows, data.outcome);
    this.estimate.textContent = data.estimate;
    this.mark(data.marks);
    this.details.take(data.wire);
    this.keepPresets(data.presets);
    this.paintState();
  }

  keepPresets(presets) {
    if (this.playing) return;
    if (presets === null) {
      if (this.askedPresets) return;
      this.askedPresets = true;
      const kept = recall(localStorage, PRESETS);
      // What is told while the sheet is being mounted may go unheard.
      if (kept) setTimeout(() => this.component.setStateValue("presets", kept), 300);
    } else if (presets !== this.presets) {
      this.presets = presets;
      remember(localStorage, PRESETS, presets);
    }
  }

  dress() {
    const { labels } = this;
    const mac = /Mac|iPhone|iPad/.test(navigator.platform);
    this.prompt.placeholder = labels.placeholder;
    this.prompt.setAttribute("aria-label", labels.prompt);
    this.answer.setAttribute("aria-label", labels.answer);
    this.runKey = mac ? "⌘ ⏎" : "Ctrl ⏎";
    this.onward.textContent = labels.continue;
    this.onward.title = labels.continue_help;
    this.estimate.title = labels.estimate_help;
    this.stopNow.textContent = labels.stop_now;
    for (const [made, label] of [[this.undo, "undo"], [this.redo, "redo"], ...Object.entries(this.looks).map(([name, made]) => [made, name]), [this.copy, "copy"]]) {
      made.title = labels[label];
      made.setAttribute("aria-label", labels[label]);
    }
    this.jump.textContent = `↓ ${labels.follow}`;
    this.details.dress(labels);
    const [r, g, b] = (getComputedStyle(this.root).color.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
    this.root.classList.toggle("dark", r + g + b > 382);
  }

  // The prompt

  setPrompt(text) {
    this.prompt.value = text;
    this.typed.textContent = text;
    this.draft = this.given = text;
    this.keepDraft();
  }

  keepDraft() {
    if (this.playing) return;
    window.playgroundSheet.typed = this.prompt.value;
    const run = this.moving ? ANY : (this.data?.run?.id ?? null);
    remember(sessionStorage, STORE, JSON.stringify({ text: this.prompt.value, run }));
  }

  edited() {
    this.typed.textContent = this.prompt.value;
    this.keepDraft();
    this.paintState();
    clearTimeout(this.draftTimer);
    this.draftTimer = setTimeout(() => this.sendDraft(), DRAFT_MS);
  }

  sendDraft() {
    clearTimeout(this.draftTimer);
    if (this.prompt.value === this.draft) return;
    this.draft = this.prompt.value;
    this.component.setStateValue("draft", this.draft);
  }

  // Run and Stop

  key(event) {
    if (this.playing) return;
    if (event.isComposing || event.keyCode === 229 || event.defaultPrevented) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (this.going()) return;
      const inPrompt = event.composedPath()[0] === this.prompt;
      // A box of the panel hands its value over when it loses focus; let it, then run.
      if (!inPrompt) document.activeElement?.blur();
      setTimeout(() => this.ask(), inPrompt ? 0 : 30);
    } else if (event.key === "Escape" && this.going() && !document.querySelector("[role=listbox], [role=dialog], [role=menu]")) {
      event.preventDefault();
      this.stop();
    } else if ((event.ctrlKey || event.metaKey) && /^[zy]$/i.test(event.key)) {
      // What was typed is undone first, by the browser; where nothing was typed since, the answers are.
      const where = event.composedPath()[0];
      const typing = where instanceof HTMLElement && where.matches("input, textarea");
      if (typing && (where !== this.prompt || this.prompt.value !== this.given)) return;
      const forth = event.key.toLowerCase() === "y" || event.shiftKey;
      if ((forth ? this.redo : this.undo).disabled) return;
      event.preventDefault();
      this.move(forth ? 1 : -1);
    }
  }

  move(steps) {
    clearTimeout(this.draftTimer);
    this.draft = this.prompt.value;
    this.moving = true;
    this.component.setTriggerValue("move", { steps, prompt: this.draft, at: Date.now() });
  }

  going() {
    return Boolean(this.asked) || (this.run !== null && this.outcome === null);
  }

  ask(mode = "run") {
    if (this.going()) return;
    clearTimeout(this.draftTimer);
    this.draft = this.given = this.prompt.value;
    this.asked = Date.now();
    this.component.setTriggerValue("run", { prompt: this.draft, mode, at: this.asked });
    this.paintState();
  }

  async stop() {
    if (!this.run) return;
    const { id, path } = this.run;
    this.stopping = id;
    this.paintState();
    let heard = false;
    try {
      heard = (await fetch(`${path}/stop`, { method: "POST" })).ok;
    } catch {
      heard = false;
    }
    if (!heard) this.component.setTriggerValue("stop", id);
  }

  // Following a run

  begin(run, byData) {
    this.unfollow();
    this.run = run;
    this.asked = null;
    this.stopping = null;
    this.rows = [];
    this.numbers = []; // of each row: which sentence it is, from 1; 0 if it is none
    this.ends = []; // where each row's text ends in the answer
    this.sentences = 0;
    this.first = null; // the first that counts
    this.outcome = null;
    this.waiting = [];
    this.restsUntil = this.stateRestsUntil = 0;
    this.characters = 0;
    this.verdict = "not returned";
    this.place = 0;
    this.offline = byData;
    this.refusals = 0;
    this.lost = null; // since when the server has not answered
    this.spoken = 0;
    this.unite("");
    this.live.textContent = "";
    this.say(this.note, []);
    this.sayLoop(null);
    this.marks = "[]";
    this.followsEnd = this.playing !== "frozen"; // a snapshot is read from its beginning
    this.end = 0; // how tall the text was when its end was last brought into sight
    this.badges.textContent = "";
    this.details.begin();
    if (!run) return;
    this.sentPrompt = run.prompt ?? this.prompt.value;
    this.began = performance.now();
    this.clock = setInterval(() => this.paintState(), 250);
    if (!byData) this.listen(run);
  }

  // A server that was killed had not yet written down the last of what came here. What is kept is what is continued and shared, so it is shown.
  beginAgain(byData) {
    const { sentPrompt } = this;
    this.begin(this.run, byData);
    this.sentPrompt = sentPrompt;
  }

  // Another language: what was said of the run comes again in it; the text is the same.
  relabel(run) {
    this.run = { ...this.run, ...run };
    if (this.offline) return;
    clearTimeout(this.again);
    this.source?.close();
    this.listen(this.run);
  }

  listen(run) {
    this.source = new EventSource(`${run.path}/events?from=${this.rows.length}&lang=${this.language}`);
    let tries = 0;
    let [stated, before, place, numbered] = [];
    this.source.onopen = () => {
      stated = Array(NUMBERS + 1).fill(0);
      before = Array(PARTS).fill(null);
      numbered = null;
      this.reached = true;
      this.lost = null;
      this.refusals = 0;
      clearTimeout(this.openTimer);
    };
    // A host that swallows the route may never answer at all.
    this.openTimer = setTimeout(() => this.giveUp(), OPEN_MS);
    this.source.onmessage = (event) => {
      // As report.py's `Rows` says them: numbers as what they are more than the ones before, without the end that is as before.
      const row = JSON.parse(event.data);
      for (let part = 1; part < PARTS; part += 1) {
        if (part >= row.length) row[part] = before[part];
        else if (part <= NUMBERS && row[part] !== null) row[part] = stated[part] += row[part];
      }
      before = row;
      place = event.lastEventId === numbered ? place + 1 : Number(event.lastEventId);
      numbered = event.lastEventId;
      // What was there already, after a reconnection, is not taken twice.
      if (place === this.rows.length + 1) this.add(row);
    };
    this.source.addEventListener("end", (event) => {
      const outcome = JSON.parse(event.data);
      if (outcome.events < this.rows.length) this.beginAgain(false);
      else this.finish(outcome);
    });
    this.source.addEventListener("place", (event) => {
      this.place = Number(event.data);
      this.paintState();
    });
    this.source.addEventListener("loop", (event) => this.sayLoop(JSON.parse(event.data)));
    this.source.onerror = () => {
      // It reconnects by itself, and where the route was reached before, for as long as it takes. A refusal ends that; but when another
      // server takes over, it takes that one a moment to know that the run is over, and what was kept of it.
      this.lost ??= performance.now();
      const refused = this.source?.readyState === EventSource.CLOSED;
      if (refused && this.reached && ++this.refusals < REFUSALS) this.again = setTimeout(() => this.listen(this.run), AGAIN_MS);
      else if (refused || (!this.reached && ++tries >= TRIES)) this.giveUp();
    };
  }

  giveUp() {
    this.refusals = 0;
    this.source?.close();
    clearTimeout(this.openTimer);
    this.offline = true;
    this.component.setStateValue("unreachable", this.run.id);
  }

  unfollow() {
    clearTimeout(this.openTimer);
    clearTimeout(this.again);
    this.source?.close();
    this.source = null;
    clearInterval(this.clock);
  }

  take(rows, outcome) {
    if (outcome && !this.outcome && rows.length < this.rows.length) this.beginAgain(true);
    for (const row of rows.slice(this.rows.length)) this.add(row);
    if (outcome && !this.outcome) this.finish(outcome);
  }

  add(row) {
    this.rows.push(row);
    if (counts(row)) {
      this.sentences += 1;
      this.first ??= row;
    }
    this.numbers.push(counts(row) ? this.sentences : 0);
    this.waiting.push(row[0]);
    this.characters += row[0].length;
    this.ends.push(this.characters);
    if (row[5] === 0) this.verdict = "flagged";
    else if (row[5] === 1 && this.verdict !== "flagged") this.verdict = "safe";
    this.paintTimer ??= setTimeout(() => this.paint(), Math.max(0, this.restsUntil - performance.now()));
  }

  finish(outcome) {
    this.unfollow();
    this.outcome = outcome;
    this.paint();
    this.unite(this.answer.textContent);
    const { error, reason } = outcome;
    const lines = [];
    if (error) {
      const facts = [
        error.code !== null && !error.message.includes(String(error.code)) ? fill(this.labels.code, { code: error.code }) : null,
        error.request_id ? fill(this.labels.request_id, { id: error.request_id }) : null,
      ].filter(Boolean);
      lines.push(error.message, error.remedy);
      if (error.words) lines.push(fill(this.labels.service_words, { words: error.words }));
      if (outcome.ending === "failed") facts.unshift(error.again ? this.labels.again_helps : this.labels.again_useless);
      if (facts.length) lines.push(facts.join(" · "));
    } else if (reason) lines.push(reason);
    this.sayBadges(outcome.inspection.badges);
    this.sayLoop(outcome.loop);
    this.note.classList.toggle("bad", outcome.ending === "failed");
    this.note.classList.toggle("calm", outcome.ending === "stopped");
    this.say(this.note, lines);
    this.speak(true);
    this.paintState();
    this.component.setStateValue("ended", this.run.id);
  }

  // Painting

  paint() {
    clearTimeout(this.paintTimer);
    this.paintTimer = null;
    const start = performance.now();
    if (this.waiting.length) {
      this.tail.appendData(this.waiting.join(""));
      this.waiting = [];
      if (this.tail.length > PART) this.split();
      if (this.followsEnd) this.toEnd();
      this.overlay();
    }
    this.speak(false);
    if (start >= this.stateRestsUntil) {
      this.paintState();
      this.stateRestsUntil = start + STATE_MS;
    }
    const end = performance.now();
    this.restsUntil = end + Math.max(PAUSE_MS, SHARE * (end - start));
  }

  // The answer is one run of text. While it grows it is kept in parts, cut where a line begins, so that the browser
  // lays out only the last one again; once it is whole, or the width changes, it is one piece.

  unite(text) {
    const width = this.answer.parentElement.clientWidth;
    if (text === undefined && (width === this.width || this.answer.childNodes.length < 2)) return;
    this.width = width;
    const rest = text ?? this.answer.textContent;
    const nodes = [];
    let reached = 0;
    for (const [start, end, words] of this.outcome ? JSON.parse(this.marks ?? "[]") : []) {
      nodes.push(this.stretch(rest.slice(reached, start), reached > 0));
      nodes.push(Object.assign(element("mark", "", null, rest.slice(start, end)), { title: words }));
      reached = end;
    }
    if (reached) nodes.push(this.stretch(rest.slice(reached), true));
    else nodes.push((this.tail = document.createTextNode(rest)));
    this.answer.replaceChildren(...nodes);
    this.answer.after(this.caret);
    this.overlay();
  }

  stretch(text, beyond) {
    return beyond ? element("span", "beyond", null, text) : document.createTextNode(text);
  }

  // Where the stop list would have cut a whole answer; what lies behind the first cut is dimmed. The text stays the same.
  mark(marks) {
    const wanted = JSON.stringify(marks);
    if (!this.outcome || wanted === this.marks) return;
    this.marks = wanted;
    this.unite(this.answer.textContent);
  }

  split() {
    const { data } = this.tail;
    let cut = data.lastIndexOf("\n") + 1;
    if (cut < data.length / 2) cut = this.lastLine();
    if (cut > 0 && cut < data.length && data.charCodeAt(cut) >= 0xdc00 && data.charCodeAt(cut) <= 0xdfff) cut -= 1;
    if (cut <= 0 || cut >= data.length) return;
    const part = element("div", "part", this.answer);
    this.tail = this.tail.splitText(cut);
    element("span", "", part).append(this.tail);
    part.append(this.caret);
  }

  // Where the last line on the screen begins: what stands before it no longer moves.
  lastLine() {
    const range = document.createRange();
    const top = (place) => {
      range.setStart(this.tail, place);
      range.setEnd(this.tail, place + 1);
      return [...range.getClientRects()].at(-1)?.top ?? -Infinity;
    };
    let low = 0;
    let high = this.tail.length - 1;
    const last = top(high);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (top(middle) >= last - 1) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  // With the next frame, which lays the text out in any case; how long that takes counts as painting.
  toEnd() {
    this.endFrame ??= requestAnimationFrame(() => {
      this.endFrame = null;
      const start = performance.now();
      if (this.followsEnd) this.scroll.scrollTop = this.end = this.scroll.scrollHeight;
      const end = performance.now();
      this.restsUntil = Math.max(this.restsUntil, end + SHARE * (end - start));
    });
  }

  showFollow() {
    this.root.classList.toggle("loose", this.going() && !this.followsEnd);
  }

  sayLoop(loop) {
    this.loopNote.hidden = !loop;
    if (!loop) return;
    const span = loop.span.replace(/[\n\t\r]/g, (one) => drawn[one].trim());
    this.say(this.loopWords, [fill(this.labels.loop, { span, times: loop.times }), loop.advice]);
    this.stopNow.hidden = !this.going();
  }

  // In which ways the answer is not whole; where its end is what is missing, one can go on from there.
  sayBadges(badges) {
    this.badges.replaceChildren(...badges.map((badge) => {
      const box = element("span", "badge");
      Object.assign(element("span", "words", box, badge.words), { title: badge.meaning });
      if (badge.goes_on) this.button("goes-on", box).onclick = () => this.ask("continue");
      return box;
    }));
    for (const made of this.badges.querySelectorAll(".goes-on")) {
      made.textContent = this.labels.continue_here;
      made.title = this.labels.continue_help;
    }
  }

  speak(ended) {
    const now = performance.now();
    if (!ended && now - (this.spokenAt ?? 0) < SPOKEN_MS) return;
    if (this.rows.length === this.spoken) return;
    this.spokenAt = now;
    this.live.textContent = this.rows.slice(this.spoken).map((row) => row[0]).join("").slice(-2000);
    this.spoken = this.rows.length;
  }

  paintState() {
    const { labels, root } = this;
    const going = this.going();
    root.classList.toggle("going", going);
    const stale = this.run !== null && !going && this.prompt.value !== this.sentPrompt;
    root.classList.toggle("stale", stale);
    this.showFollow();
    this.prompt.readOnly = going || Boolean(this.playing);
    const again = this.run !== null && !stale;
    this.goText.textContent = going ? `■ ${this.stopping ? labels.stopping : labels.stop}` : `▶ ${again ? labels.again : labels.run}`;
    const { standing, can_move } = this.data ?? { standing: [0, 0], can_move: [false, false] };
    this.onward.hidden = going || !this.rows.length || stale;
    this.undo.disabled = going || !can_move[0];
    this.redo.disabled = going || !can_move[1];
    const several = standing[1] > 0;
    this.undo.hidden = this.redo.hidden = !several && !can_move.some(Boolean);
    this.standing.hidden = !several;
    if (several) this.standing.textContent = fill(labels.standing, { place: standing[0], count: standing[1] });
    this.stopNow.hidden = !going;
    this.goKey.textContent = going ? "Esc" : this.runKey;
    this.go.disabled = Boolean(going && (this.stopping || !this.run));
    this.copy.disabled = this.rows.length === 0;
    this.paintStatus(going, stale);
    for (const made of this.badges.querySelectorAll(".goes-on")) made.hidden = this.onward.hidden;
    this.details.changed();
  }

  paintStatus(going, stale) {
    const { labels, outcome, rows } = this;
    const parts = [];
    const state = outcome ? outcome.ending : !going ? "idle" : rows.length ? "streaming" : "sending";
    parts.push(["state " + state, labels[going && this.playing ? this.playing : state]]);
    if (state === "sending" && this.place) parts.push(["", fill(labels.place, { count: this.place })]);
    if (this.run) {
      const count = this.sentences;
      const elapsed = outcome ? outcome.elapsed_ms : performance.now() - this.began;
      if (rows.length) {
        parts.push(["", fill(count === 1 ? labels.one_sentence : labels.sentences, { count })]);
        if (count) parts.push(["", fill(labels.first, { seconds: seconds(this.first[1]) })]);
      } else if (going) parts.push(["", fill(labels.waited, { seconds: seconds(elapsed) })]);
      if (rows.length) this.tokenPart(parts, going);
      this.costPart(parts);
      if (rows.length) {
        this.speedPart(parts, elapsed);
        const safety = outcome ? outcome.safety : this.verdict;
        let words = labels[safety];
        if (safety === "flagged" && outcome && outcome.ban_round !== null)
          words += `: ${outcome.ban_round === -1 ? labels.ban_question : fill(labels.ban_round, { round: outcome.ban_round })}`;
        parts.push([safety === "flagged" ? "flagged" : "", words]);
      }
      if (outcome?.attempts > 1) parts.push(["", fill(labels.attempts, { count: outcome.attempts })]);
      parts.push(["", `${this.run.title} · ${this.run.group}`]);
      if (this.offline) parts.push(["", labels.offline]);
      else if (going && this.lost && performance.now() - this.lost > LOST_MS) parts.push(["lost", labels.lost]);
      if (stale) parts.push(["", labels.stale]);
    }
    if (state !== this.stateSaid) {
      if (this.stateSaid && state !== "streaming") this.live.textContent = labels[state];
      this.stateSaid = state;
    }
    const wanted = JSON.stringify(parts);
    if (wanted === this.statusDrawn) return;
    this.statusDrawn = wanted;
    this.status.replaceChildren(...parts.map(([className, text, title]) => Object.assign(element("span", className, null, text), { title: title ?? "" })));
  }

  tokenPart(parts, going) {
    const { labels, outcome, rows } = this;
    let tokens = outcome?.tokens ?? null;
    if (!outcome) {
      const [, , total, , prompt] = rows.findLast((row) => row[2] !== null) ?? [];
      if (total !== undefined) tokens = [prompt, prompt === null ? null : total - prompt, total];
    }
    if (!tokens) parts.push(["", going ? labels.no_tokens_yet : labels.no_tokens]);
    else {
      const [prompt, completion, total] = tokens;
      if (outcome?.lower_bound || !outcome) parts.push(["", fill(labels.tokens_at_least, { total })]);
      else if (prompt === null) parts.push(["", fill(labels.tokens_total, { total })]);
      else parts.push(["", fill(labels.tokens, { prompt, completion, total })]);
    }
  }

  costPart(parts) {
    const { labels, outcome, rows, run } = this;
    const amount = outcome ? outcome.cost : rows.findLast((row) => row[2] !== null)?.[6];
    if (run.free || (!outcome && !amount)) return;
    const words = !amount ? labels.no_cost : outcome && !outcome.lower_bound ? amount : fill(labels.cost_at_least, { amount });
    parts.push(["cost", words, run.price]);
  }

  speedPart(parts, elapsed) {
    const { labels, outcome, rows } = this;
    const time = (outcome ? rows[rows.length - 1][1] : elapsed) / 1000;
    if (time < 0.3) return; // too short to measure a speed
    if (outcome?.tokens?.[1] && !outcome.lower_bound)
      parts.push(["", fill(labels.speed, { figure: (outcome.tokens[1] / time).toFixed(1) })]);
    else {
      const characters = outcome ? outcome.characters : this.characters;
      parts.push(["", fill(labels.speed_characters, { figure: Math.round(characters / time) })]);
    }
  }

  say(box, lines) {
    const wanted = JSON.stringify(lines.filter(Boolean));
    if (box.drawn === wanted) return;
    box.drawn = wanted;
    box.replaceChildren(...lines.filter(Boolean).map((line, place) => element("p", place > 1 ? "small" : "", null, line)));
  }

  async copyAnswer() {
    await copyText(this.rows.map((row) => row[0]).join(""), this.root);
    this.copy.replaceChildren(icon("copied"));
    this.live.textContent = this.labels.copied;
    setTimeout(() => this.copy.replaceChildren(icon("copy")), 1500);
  }

  // Over the text, which itself is not touched: where one sentence ends and the next begins, and the sentence pointed at.

  point(place, bring = false) {
    if (this.pointed === place && !bring) return;
    this.pointed = place;
    this.bring = bring;
    this.overlay();
  }

  overlay() {
    if (!this.root.classList.contains("seams") && this.pointed == null && !this.over.firstChild) return;
    this.overFrame ??= requestAnimationFrame(() => {
      this.overFrame = null;
      this.paintOver();
    });
  }

  paintOver() {
    const { ends, over, pointed } = this;
    const seams = this.root.classList.contains("seams");
    over.textContent = "";
    if (!this.rows.length || (!seams && pointed == null)) return;
    const parts = this.textParts();
    const painted = parts.at(-1)?.end ?? 0;
    const sheet = this.stack.getBoundingClientRect();
    const port = this.scroll.getBoundingClientRect();
    const put = (className, { left, top, width, height }) =>
      Object.assign(element("i", className, over).style, { left: `${left - sheet.left}px`, top: `${top - sheet.top}px`, width: `${width}px`, height: `${height}px` });
    if (pointed != null && ends[pointed] <= painted) {
      const rects = [...(this.rangeOf(parts, pointed ? ends[pointed - 1] : 0, ends[pointed])?.getClientRects() ?? [])];
      const inSight = (rect) => rect.bottom >= port.top && rect.top <= port.bottom;
      if (this.bring && rects.length && !rects.some(inSight)) this.scroll.scrollTop += rects[0].top - (port.top + port.bottom) / 2;
      this.bring = false; // scrolling paints anew
      for (const rect of rects.filter(inSight).slice(0, MOST_SEAMS)) put("pointed", rect);
    }
    if (!seams) return;
    const seam = (place) => (ends[place] < painted ? this.seamAt(parts, ends[place]) : null);
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const found = seam(middle);
      if (found && found.bottom < port.top) low = middle + 1;
      else high = middle;
    }
    for (let count = 0; low < this.rows.length - 1 && count < MOST_SEAMS; low++, count++) {
      if (ends[low] === (low ? ends[low - 1] : 0)) continue;
      const found = seam(low);
      if (!found || found.top > port.bottom) break;
      put("seam", found);
    }
  }

  // The answer's pieces of text with where each begins and ends in it.
  textParts() {
    const walker = document.createTreeWalker(this.answer, NodeFilter.SHOW_TEXT);
    const parts = [];
    for (let start = 0; walker.nextNode(); ) {
      const end = start + walker.currentNode.length;
      if (end > start) parts.push({ node: walker.currentNode, start, end });
      start = end;
    }
    return parts;
  }

  rangeOf(parts, start, end) {
    const range = document.createRange();
    const from = parts.find((part) => part.end > start);
    const to = parts.find((part) => part.end >= end);
    if (!from || !to || end <= start) return null;
    range.setStart(from.node, start - from.start);
    range.setEnd(to.node, end - to.start);
    return range;
  }

  // At the left edge of what comes next; where that has no shape, at the right edge of what came last.
  seamAt(parts, place) {
    const next = this.rangeOf(parts, place, place + 1)?.getClientRects()[0];
    if (next?.width) return { left: next.left, top: next.top, bottom: next.bottom, width: 0, height: next.height };
    const last = [...(this.rangeOf(parts, place - 1, place)?.getClientRects() ?? [])].at(-1) ?? next;
    return last && { left: last.right, top: last.top, bottom: last.bottom, width: 0, height: last.height };
  }

  leave() {
    window.removeEventListener("storage", this.onStorage);
    this.unfollow();
    clearTimeout(this.draftTimer);
    clearTimeout(this.paintTimer);
    cancelAnimationFrame(this.overFrame);
    cancelAnimationFrame(this.endFrame);
    this.sizes.disconnect();
    this.details.leave();
    document.removeEventListener("keydown", this.onKey, true);
  }
}
