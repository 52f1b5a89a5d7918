// Draws the days and their lines. It runs again at every change of data; the lines are few, so they are made anew each time, and what
// had the focus has it again. A run that is opened or closed moves the list to another place of the page: its line stays in sight.

const SETTLED_MS = 80;

export default function ({ data: [data], parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".history-list");
  const { days, chosen, wanted, labels } = data;
  const fresh = !root.marked;
  root.marked ??= new Set(data.marked);
  const focus = root.getRootNode().activeElement?.dataset?.focus;
  root.textContent = "";
  root.setAttribute("aria-label", labels.list);
  const pattern = wanted.length ? new RegExp(`(${wanted.map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|")})`, "i") : null;

  for (const day of days) {
    const group = element("section", "day", root);
    element("h3", "", group, day.title);
    const list = element("ol", "", group);
    for (const line of day.lines) list.append(draw(line));
  }
  showMarking();
  if (focus) root.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });

  const seen = chosen ?? (fresh ? window.playgroundLine : null);
  window.playgroundLine = chosen;
  if (seen && (fresh || root.chosen !== chosen)) {
    const show = () => root.querySelector(`li[data-run="${CSS.escape(seen)}"]`)?.scrollIntoView({ block: "nearest" });
    setTimeout(show, SETTLED_MS);
  }
  root.chosen = chosen;

  root.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    const opens = [...root.querySelectorAll(".open")];
    const at = opens.findIndex((one) => one.closest("li").contains(event.target));
    if (at < 0 || !opens[at + step]) return;
    event.preventDefault();
    opens[at + step].focus();
  };

  function draw(line) {
    const item = document.createElement("li");
    item.className = line.id === chosen ? "chosen" : "";
    item.dataset.run = line.id;
    const mark = element("input", "mark", item);
    mark.type = "checkbox";
    mark.checked = root.marked.has(line.id);
    mark.setAttribute("aria-label", labels.mark);
    mark.dataset.focus = `mark-${line.id}`;
    mark.onchange = () => {
      root.marked[mark.checked ? "add" : "delete"](line.id);
      showMarking();
      setStateValue("marked", [...root.marked]);
    };
    const open = element("button", "open", item);
    open.type = "button";
    open.dataset.focus = `open-${line.id}`;
    if (line.id === chosen) open.setAttribute("aria-current", "true");
    open.onclick = () => setTriggerValue("open", line.id);
    const head = element("span", "head", open);
    element("time", "", head, line.time);
    element("span", "title", head, line.title);
    element("span", `ending ${line.ending}`, head, line.said);
    if (line.changes) element("span", "changes", head, line.changes).title = line.changes;
    element("span", "figures", head, line.figures);
    const words = element("span", "words", open);
    marked(element("span", "prompt", words), line.prompt);
    element("span", "arrow", words, ` ${labels.arrow} `);
    if (line.answer) marked(element("span", "answer", words), line.answer);
    else element("span", "nothing", words, labels.none);
    if (line.note) {
      const note = element("span", "note", open);
      note.title = labels.note;
      marked(note, line.note);
    }
    const star = element("button", "star", item, line.starred ? "★" : "☆");
    star.type = "button";
    star.dataset.focus = `star-${line.id}`;
    star.setAttribute("aria-pressed", line.starred);
    star.setAttribute("aria-label", line.starred ? labels.unstar : labels.star);
    star.title = line.starred ? labels.unstar : labels.star;
    star.onclick = () => setTriggerValue("star", line.id);
    return item;
  }

  // What is marked stays so while a search hides it, here as in the state.
  function showMarking() {
    root.classList.toggle("marking", root.querySelector(".mark:checked") !== null);
  }

  function marked(place, text) {
    if (!pattern) {
      place.textContent = text;
      return;
    }
    text.split(pattern).forEach((part, number) => {
      if (part) place.append(number % 2 ? element("mark", "", null, part) : part);
    });
  }
}

function element(tag, className, parent, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  parent?.append(made);
  return made;
}
