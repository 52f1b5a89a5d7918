// What a demo link leaves: drawn whole at each change; every text is set as text.
export default function ({ data: [data], parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".strip");
  const make = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const card = make("section", data.words ? "card closed" : "card");
  card.setAttribute("aria-label", data.kind);
  const head = make("div", "head");
  head.append(make("span", "kind", data.kind), make("span", "title", data.title));
  if (data.expires) {
    const moment = new Date(data.expires * 1000);
    const shown = moment.toLocaleString(data.language, { dateStyle: "medium", timeStyle: "short" });
    head.append(make("span", "until", data.until.replace("{moment}", shown)));
  }
  const leave = make("button", "leave", data.leave);
  leave.type = "button";
  leave.title = data.leave_help;
  leave.onclick = () => setTriggerValue("leave", true);
  head.append(leave);
  card.append(head);
  if (data.words) {
    const words = make("p", "words", data.words);
    words.setAttribute("role", "status");
    card.append(words);
  }
  if (data.meters.length) {
    const meters = make("div", data.scopes === 1 ? "meters one" : "meters");
    for (const line of data.meters) {
      meters.append(make("span", "what", line.what));
      for (const one of line.scopes) {
        const meter = make("div", one.low ? "meter low" : "meter");
        if (one.cap !== null) {
          const row = make("div", "row");
          const left = make("span", "left", one.left);
          left.append(make("small", "", " " + one.of));
          row.append(make("span", "who", one.who), left);
          const bar = make("div", "bar");
          bar.setAttribute("role", "meter");
          bar.setAttribute("aria-label", `${line.what}, ${one.who}`);
          bar.setAttribute("aria-valuemin", "0");
          bar.setAttribute("aria-valuemax", "100");
          bar.setAttribute("aria-valuenow", String(Math.round(one.rest * 100)));
          bar.setAttribute("aria-valuetext", `${one.left} ${one.of}`);
          const rest = make("i", "rest"), held = make("i", "held");
          rest.style.width = `${one.rest * 100}%`;
          held.style.width = `${one.held * 100}%`;
          bar.append(rest, held);
          meter.append(row, bar);
        }
        meters.append(meter);
      }
    }
    card.append(meters);
  }
  if (data.notes.length) {
    const note = make("p", "note", data.note + " ");
    data.notes.forEach((text, place) => note.append(place ? " · " : "", make("b", "", text)));
    card.append(note);
  }
  const parts = [card];
  if (data.prefix) {
    const prefix = make("section", "prefix");
    const label = make("div", "label");
    const lock = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    lock.setAttribute("viewBox", "0 0 12 12");
    lock.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", "M6 .8a2.7 2.7 0 0 0-2.7 2.7V5H2.6a.9.9 0 0 0-.9.9v4.4c0 .5.4.9.9.9h6.8c.5 0 .9-.4.9-.9V5.900a.9.9 0 0 0-.9-.9h-.7V3.500A2.7 2.7 0 0 0 6 .8Zm1.500 4.200h-3V3.500a1.500 1.500 0 0 1 3 0Z");
    path.setAttribute("fill", "currentColor");
    lock.append(path);
    label.append(lock, make("span", "", data.prefix_label));
    prefix.append(label, make("div", "text", data.prefix));
    prefix.querySelector(".text").tabIndex = 0;
    parts.push(prefix);
  }
  root.replaceChildren(...parts);
}
